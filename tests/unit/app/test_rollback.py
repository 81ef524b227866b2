"""`rollback` brings back what a revision said, loses nothing on the way, and is itself a revision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal import Operator, model, node, spec
from typer.testing import CliRunner

from distctl.app.documents import spec_document, spec_from
from distctl.cli.main import app
from distctl.cluster.spec import Spec
from distctl.config import load
from distctl.errors import InputError
from distctl.testing import Crash

PROD = Path(__file__).parents[3] / "inventory" / "prod.yaml"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models' folders, which are relative to here."""
    for name in ("digits", "xray"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grown() -> Operator:
    """Revision 1: digits once. Revision 2: digits twice, and xray."""
    operator = Operator(spec([node("a"), node("b")], [model("digits", 1)]))
    operator.up()
    operator.spec = replace(operator.spec, models=(model("digits", 2), model("xray")))
    operator.up()
    return operator


def test_without_a_number_it_is_the_revision_before() -> None:
    operator = grown()
    assert len(operator.cluster.answering("digits")) == 2
    plan = operator.rollback()
    assert len(operator.cluster.answering("digits")) == 1
    assert any("drain digits" in step.operation.text for step in plan.steps)
    history = operator.cluster.store.history()
    assert [r.message for r in history] == ["", "", "rollback to revision 1"]
    assert history[2].document == history[0].document


def test_again_it_goes_forth_and_the_file_wins_at_up() -> None:
    operator = grown()
    operator.rollback()
    operator.rollback()
    assert len(operator.cluster.answering("digits")) == 2
    operator.rollback(1)
    assert len(operator.cluster.answering("digits")) == 1
    assert not operator.plan().empty, "plan compares with the file"
    operator.up()
    assert len(operator.cluster.answering("digits")) == 2
    assert operator.plan().empty


def test_it_may_die_anywhere_and_be_said_again() -> None:
    """After every change that it makes; the promise to clients is asked after each."""
    crash, deaths = 1, 0
    while True:
        operator = grown()
        try:
            operator.rollback(1, crash=crash)
            break
        except Crash:
            operator.rollback(1)
            deaths += 1
            assert len(operator.cluster.answering("digits")) == 1
        crash += 1
    assert deaths > 5


def test_what_is_not_there_is_refused(folders: Path) -> None:
    operator = grown()
    with pytest.raises(InputError, match="there is no revision 7"):
        operator.rollback(7)
    with pytest.raises(InputError, match="no revision before"):
        Operator(spec([node("a")], [])).rollback()
    (folders / "digits").rmdir()
    with pytest.raises(InputError, match="revision 1: digits: there is no folder digits any more"):
        operator.rollback(1)
    assert len(operator.cluster.store.history()) == 2


def test_a_revision_says_all_that_the_inventory_said() -> None:
    """The richest inventory there is, through the record and back."""
    wanted = load(PROD).spec
    assert spec_from(spec_document(wanted)) == wanted
    assert isinstance(spec_from(spec_document(Spec("c", ()))), Spec)


def test_help_needs_no_cluster_and_takes_no_lease(folders: Path) -> None:
    done = CliRunner().invoke(app, ["rollback", "--help"])
    assert done.exit_code == 0
    assert "[REV]" in done.output
    assert sorted(path.name for path in folders.iterdir()) == ["digits", "xray"]
