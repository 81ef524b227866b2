"""What a controller takes for the wish: the record's, and nothing that only lies in files here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rehearsal import Operator, model, node, spec

from distctl.app.background import run_script
from distctl.app.change import prepare, write_revision
from distctl.app.leasing import leased
from distctl.app.wishes import down_changes
from distctl.cluster.record import SetReplica
from distctl.policy.plan import Plan


def running() -> Operator:
    operator = Operator(spec([node("a"), node("b")], [model("digits", 2)]))
    operator.up()
    return operator


def steady_plan(operator: Operator) -> Plan:
    """What a pass of a controller would do."""
    session = operator.session()
    session.steady, session.attended = True, False
    return prepare(session).plan


def test_files_that_were_only_edited_are_not_rolled_out() -> None:
    operator = running()
    operator.cluster.edit("digits")
    assert not operator.plan().empty
    assert steady_plan(operator).empty


def test_a_rollout_that_was_cut_goes_on_with_the_new_files() -> None:
    operator = running()
    operator.cluster.edit("digits")
    server = next(iter(operator.cluster.store.record.replicas)).server
    session = operator.session()
    with leased(session, "test") as keeper:
        here = session.contents.content("digits")
        half = [r for r in operator.cluster.store.record.replicas if r.server == server]
        session.store.commit(keeper.lease.token, [SetReplica(replace(r, digest=here)) for r in half])
    assert "reload digits" in " ".join(step.operation.text for step in steady_plan(operator).steps)


def test_a_cluster_that_is_taken_down_stays_so_until_it_is_wanted_again() -> None:
    operator = running()
    session = operator.session()
    with leased(session, "down") as keeper:
        session.store.commit(keeper.lease.token, down_changes(session))
    operator.down()
    assert operator.cluster.store.record.taken_down
    operator.up()
    assert not operator.cluster.store.record.taken_down


def test_the_same_file_again_after_a_down_is_no_new_revision() -> None:
    operator = running()
    session = operator.session()
    with leased(session, "down") as keeper:
        session.store.commit(keeper.lease.token, down_changes(session))
        assert write_revision(session, keeper) is None
    assert not operator.cluster.store.record.taken_down


def test_the_start_script_has_the_ways_of_whoever_began_it_and_no_secret() -> None:
    environ = {"HOME": "/home/ann lee", "PATH": "/bin", "SUDO_PASSWORD": "hush", "DISTCTL_KEY": "dk_hush"}
    script = run_script(Path("/srv/it's/prod.yaml"), environ, python="/venv/bin/python")
    assert "export HOME='/home/ann lee'\n" in script
    assert "hush" not in script
    assert script.endswith("""run -i '/srv/it'"'"'s/prod.yaml'\n""")
