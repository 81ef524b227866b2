"""A drain lets open sequences end, which show themselves only by the requests that still come."""

from __future__ import annotations

from dataclasses import replace

from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.spec import RouterId, ServerId
from distctl.policy.drain import Drain, Step, next_step, watched

SERVER = ServerId("n1", "0")
ROUTER = RouterId("main", "local")


def sight(total: int, in_flight: int = 0) -> RouterSight:
    slot = SlotSight(SlotState.DRAIN, healthy=True, in_flight=in_flight, queued=0, total=total)
    return RouterSight(ROUTER, running=True, slots=(("seq", SERVER, slot),))


def steps(drain: Drain, *looks: tuple[float, int]) -> list[Step]:
    """What a drain does at some instants, given how many requests the slot has had by then."""
    found = []
    for now, total in looks:
        drain = watched(drain, [sight(total)], now)
        found.append(next_step(drain, [sight(total)], now).step)
    return found


DRAIN = Drain(frozenset({("seq", SERVER)}), deadline=100.0, idle=5.0)


def test_each_request_of_an_open_sequence_begins_the_wait_anew() -> None:
    looks = ((10, 1), (14, 2), (18, 3), (22, 3), (23, 3))
    assert steps(DRAIN, *looks) == [Step.WAIT] * 4 + [Step.RELEASE]


def test_a_model_without_sequences_waits_for_the_minimum_alone() -> None:
    assert steps(replace(DRAIN, idle=0.0), (10, 1), (11, 1)) == [Step.WAIT, Step.RELEASE]


def test_a_sequence_that_goes_on_at_the_deadline_is_told_and_not_cut() -> None:
    drain = watched(replace(DRAIN, deadline=12.0), [sight(1)], 10.0)
    drain = watched(drain, [sight(2)], 12.0)
    decision = next_step(drain, [sight(2)], 12.0)
    assert decision.step is Step.EXPIRE
    assert "sequences may be open" in decision.reason
