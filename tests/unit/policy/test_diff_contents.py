"""Other files, runtimes and settings: what is loaded or started anew, one after the other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from plans import A, running, said, texts, waits
from rehearsal import model, node

from distctl.cluster.record import SetReplica
from distctl.cluster.router import SlotState


def test_a_changed_model_is_reloaded_in_one_server_after_the_other_and_stays_routed() -> None:
    operator = running(2)
    old = operator.cluster.folder("digits").digest
    operator.cluster.edit("digits")
    new = operator.cluster.folder("digits").digest
    plan = operator.plan()
    changed = f"its files changed: {old} to {new}"
    assert said(plan) == [
        (f"push model digits ({new})", "its files changed"),
        ("reload digits in a/0", changed),
        (f"push model digits ({new})", "its files changed"),
        ("reload digits in b/0", changed),
    ]
    assert waits(plan, "reload digits in b/0", "reload digits in a/0")


def test_a_link_that_was_swapped_is_not_taken_for_a_content_that_was_loaded() -> None:
    """The process that swapped it died before it asked for the load; the record says what was loaded."""
    operator = running(1)
    old = operator.cluster.folder("digits").digest
    operator.cluster.edit("digits")
    new = operator.cluster.folder("digits").digest
    machine = operator.cluster.machines["a"]
    machine.models["digits"].add(new)
    machine.units["server-0"].models["digits"] = new
    operator.cluster.triton(A).repository["digits"] = new
    assert said(operator.plan()) == [("reload digits in a/0", f"its files changed: {old} to {new}")]
    operator.up()
    assert operator.cluster.triton(A).loaded == {"digits": new}
    assert operator.plan().empty


def test_a_changed_model_that_keeps_state_is_drained_before_its_new_version_one_server_after_the_other() -> (
    None
):
    operator = running(2, nodes="ab")
    operator.configs["digits"] = "sequence_batching {}"
    operator.up()
    operator.cluster.edit("digits")
    plan = operator.plan()
    expected = [
        f"{verb} {s}/0" for s in "ab" for verb in ("drain digits of", "reload digits in", "route digits to")
    ]
    assert [text for text in texts(plan) if text in expected] == expected
    for before, after in pairwise(expected):
        assert waits(plan, after, before)
    operator.up()
    assert operator.plan().empty


def test_the_only_replica_of_a_model_that_keeps_state_is_reloaded_in_place_and_the_plan_says_so() -> None:
    operator = running(1, nodes="a")
    operator.configs["digits"] = "sequence_batching {}"
    operator.up()
    operator.cluster.edit("digits")
    plan = operator.plan()
    assert not any("drain" in text for text in texts(plan))
    assert any("open sequences and streams end" in note for note in plan.notes)


def test_changed_settings_restart_one_server_after_the_other_each_drained_before() -> None:
    operator = running(2, nodes="ab")
    operator.runtime = "r2"
    plan = operator.plan()
    assert texts(plan) == [
        "install runtime r2",
        "install runtime r2",
        "drain digits of a/0",
        "stop server a/0",
        "start server a/0 with digits",
        "route digits to a/0",
        "drain digits of b/0",
        "stop server b/0",
        "start server b/0 with digits",
        "route digits to b/0",
        "remove old contents",
        "remove old contents",
    ]
    for before, after in pairwise(texts(plan)[2:10]):
        assert waits(plan, after, before)
    assert plan.interrupts == ()


def test_restarts_come_one_after_the_other_also_where_no_model_is_shared() -> None:
    operator = running(1, 1, nodes="ab")
    operator.runtime = "r2"
    assert waits(operator.plan(), "drain xray of b/0", "route digits to a/0")


def test_a_server_that_its_supervisor_started_with_the_old_content_is_given_the_new_one() -> None:
    """Between our look and our step: the process runs by then, and it has read the old link."""
    operator = running(1, nodes="a")
    operator.cluster.kill(A)
    operator.cluster.edit("digits")
    plan = operator.plan()
    assert "start server a/0 with digits" in texts(plan)

    def supervised(change: str) -> None:
        if change.startswith("a: push"):
            operator.cluster.reboot("a")

    operator.promise.watch = supervised  # type: ignore[method-assign]
    operator.up()
    assert operator.cluster.triton(A).loaded == {"digits": operator.cluster.folder("digits").digest}
    assert operator.plan().empty


def test_a_restart_of_the_only_server_that_serves_a_model_says_what_it_interrupts() -> None:
    operator = running(1, 2, nodes="ab")
    operator.runtime = "r2"
    assert operator.plan().interrupts == ("digits",)


def test_a_restart_waits_for_a_replica_that_joins_in_the_same_plan() -> None:
    operator = running(1, nodes="ab")
    operator.runtime = "r2"
    operator.spec = replace(
        operator.spec, models=(model("digits", 3),), nodes=(*operator.spec.nodes, node("c"))
    )
    plan = operator.plan()
    assert plan.interrupts == ()
    assert waits(plan, "drain digits of a/0", "route digits to c/0")
    operator.up()
    assert operator.promise.kept()


def test_a_server_that_answers_nobody_is_restarted_without_an_interruption() -> None:
    operator = running(1, nodes="a")
    operator.cluster.triton(A).shut()
    operator.runtime = "r2"
    assert operator.plan().interrupts == ()


@pytest.mark.parametrize("slot", [SlotState.READY, SlotState.DRAIN])
def test_a_restart_drains_what_is_draining_already_and_what_is_to_leave(slot: SlotState) -> None:
    """A drain that was cut leaves a slot draining with requests in flight: stopping then would lose them."""
    operator = running(3, 1)
    replica = operator.cluster.store.record.replica(A, "digits")
    assert replica is not None
    operator.write(SetReplica(replace(replica, slot=slot)))
    operator.runtime = "r2"
    operator.spec = replace(operator.spec, models=(model("digits", 2), model("xray", 1)))
    plan = operator.plan()
    assert waits(plan, "stop server a/0", "drain digits, xray of a/0")
    operator.up()
    assert operator.promise.kept()
    assert operator.plan().empty
