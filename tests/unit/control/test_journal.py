"""Each step's begin and end is in the record, before and after it."""

from __future__ import annotations

import pytest

from distctl.cluster.record import OperationState, SetOperation
from distctl.control.execute import Outcome, State
from distctl.control.journal import journal
from distctl.errors import LeaseHeld
from distctl.policy.operations import PushModel
from distctl.policy.plan import PlannedStep
from distctl.testing import FakeClock, MemoryStore

STEP = PlannedStep(3, PushModel("n1", "digits", "abc"), "it is not on the node")


def written(*outcomes: Outcome) -> tuple[list[SetOperation], list[Outcome]]:
    clock, kept, seen = FakeClock(100.0), [], []
    store = MemoryStore(clock=clock)
    commit = store.commit

    class Watched:
        def commit(self, token, changes):
            commit(token, changes)
            kept.extend(changes)

    token = store.acquire("a", "test", seconds=30).token
    watch = journal(Watched(), clock, token, "plan", seen.append)
    for outcome in outcomes:
        watch(outcome)
        clock.advance(1.0)
    return kept, seen


def test_begin_and_end_are_written_and_words_between_are_not() -> None:
    running = [Outcome(STEP, State.RUNNING), Outcome(STEP, State.RUNNING, 1.0, "half")]
    kept, seen = written(*running, Outcome(STEP, State.DONE, 2.0))
    states = [(c.operation.state, c.operation.started, c.operation.ended) for c in kept]
    assert states == [(OperationState.RUNNING, 100.0, 0.0), (OperationState.DONE, 100.0, 102.0)]
    assert kept[0].operation.what == "n1: push model digits (abc)"
    assert len(seen) == 3


def test_step_that_never_began_has_no_begin() -> None:
    kept, _ = written(Outcome(STEP, State.SKIPPED, detail="a step before it failed"))
    assert (kept[0].operation.started, kept[0].operation.outcome) == (0.0, "a step before it failed")


def test_step_is_not_begun_once_the_lease_is_lost() -> None:
    clock = FakeClock(0.0)
    store = MemoryStore(clock=clock)
    old = store.acquire("a", "test", seconds=1).token
    clock.advance(5)
    store.acquire("b", "test", seconds=1)
    seen: list[Outcome] = []
    with pytest.raises(LeaseHeld):
        journal(store, clock, old, "plan", seen.append)(Outcome(STEP, State.RUNNING))
    assert seen == []
