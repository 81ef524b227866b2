"""`init --from ansible FILE` is one option with two words; `doctor --offline` takes what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from distctl.cli.main import app
from distctl.errors import InputError


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "ansible", "hosts", "gpu*"),
        ("gpu*", "--from", "ansible", "hosts"),
        ("--from", "ansible:hosts", "gpu*"),
    ],
)
def test_from_ansible_takes_a_file_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISTCTL_INVENTORY", raising=False)
    Path("hosts").write_text("gpu1 rack=r1\ngpu2\nlb\n")
    done = CliRunner().invoke(app, ["init", *words])
    assert done.exit_code == 0, done.output
    assert "gpu1: the variable rack means nothing here and was left out" in done.stderr
    valid = CliRunner().invoke(app, ["doctor", "--offline"])
    assert "valid: 2 nodes" in valid.stderr


@pytest.mark.parametrize(
    "words", [("--from", "ansible"), ("--from", "puppet"), ("--from", "ansible", "none")]
)
def test_a_source_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", *words])
    assert isinstance(done.exception, InputError)
    assert not Path("cluster.yaml").exists()
