"""A drain ends once every router confirmed, the minimum has passed, and nothing is in flight anywhere."""

import pytest

from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.spec import RouterId, ServerId
from distctl.policy.drain import MINIMUM, Drain, Step, confirmed, next_step

A, B = ServerId("a", "0"), ServerId("b", "0")
ONE, TWO = RouterId("main", "lb1"), RouterId("main", "lb2")


def router(
    id: RouterId = ONE,
    state: SlotState = SlotState.DRAIN,
    in_flight: int = 0,
    queued: int = 0,
    *,
    old: tuple[int, ...] = (),
    error: str = "",
) -> RouterSight:
    slots = (
        ("digits", A, SlotSight(state, True, in_flight, queued)),
        ("digits", B, SlotSight(SlotState.READY, True, 9, 9)),  # somebody else's, never counted
    )
    return RouterSight(id, running=True, slots=slots, old_workers=old, error=error)


CASES = {
    "a router still sends": (
        [router(state=SlotState.READY)],
        None,
        0.0,
        Step.CONFIRM,
        "waiting for main@lb1 to confirm",
    ),
    "one of two still sends": (
        [router(), router(TWO, SlotState.READY)],
        None,
        0.0,
        Step.CONFIRM,
        "waiting for main@lb2 to confirm",
    ),
    "a router that does not answer may still send": (
        [router(), router(TWO, error="no answer")],
        None,
        0.0,
        Step.CONFIRM,
        "waiting for main@lb2 to confirm",
    ),
    "a confirmation taken back is waited for again": (
        [router(state=SlotState.READY)],
        5.0,
        50.0,
        Step.CONFIRM,
        "waiting for main@lb1 to confirm",
    ),
    "just confirmed": ([router()], None, 0.0, Step.CONFIRM, "confirmed by every router"),
    "nothing in flight, too early": ([router()], 10.0, 10.0 + MINIMUM / 2, Step.WAIT, "0 in flight"),
    "nothing in flight": ([router()], 10.0, 10.0 + MINIMUM, Step.RELEASE, "nothing in flight for 1 s"),
    "in flight": ([router(in_flight=3)], 10.0, 20.0, Step.WAIT, "3 in flight"),
    "queued": ([router(queued=2)], 10.0, 20.0, Step.WAIT, "2 in flight"),
    "in flight in the second router": (
        [router(), router(TWO, in_flight=1)],
        10.0,
        20.0,
        Step.WAIT,
        "1 in flight",
    ),
    "an old worker": (
        [router(old=(7,))],
        10.0,
        20.0,
        Step.WAIT,
        "0 in flight, and an old worker of main@lb1 still serves",
    ),
    "an old worker at the deadline": (
        [router(old=(7,))],
        10.0,
        100.0,
        Step.EXPIRE,
        "0 in flight, and an old worker of main@lb1 still serves",
    ),
    "in flight at the deadline": (
        [router(in_flight=3)],
        10.0,
        100.0,
        Step.EXPIRE,
        "3 requests still in flight at the deadline",
    ),
    "nothing in flight at the deadline": ([router()], 10.0, 100.0, Step.RELEASE, "nothing in flight for 1 s"),
    "confirmed just before the deadline": ([router()], 99.9, 100.0, Step.WAIT, "0 in flight"),
    "unreachable at the deadline": (
        [router(error="no answer")],
        None,
        100.0,
        Step.EXPIRE,
        "waiting for main@lb1 to confirm",
    ),
    "no router at all": ([], 10.0, 11.0, Step.RELEASE, "nothing in flight for 1 s"),
    "a router that has no such slot": (
        [RouterSight(TWO, running=True)],
        10.0,
        11.0,
        Step.RELEASE,
        "nothing in flight for 1 s",
    ),
    "a router that does not run": (
        [RouterSight(TWO, running=False)],
        10.0,
        11.0,
        Step.RELEASE,
        "nothing in flight for 1 s",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_drain_does_next(name: str) -> None:
    routers, confirmed_at, now, step, reason = CASES[name]
    drain = Drain(frozenset({("digits", A)}), deadline=100.0, confirmed_at=confirmed_at)
    decision = next_step(drain, routers, now)
    assert (decision.step, decision.reason) == (step, reason)


def test_a_drain_is_confirmed_once_no_router_sends_anything_new() -> None:
    drain = Drain(frozenset({("digits", A)}), deadline=100.0)
    assert confirmed(drain, [router(), router(TWO, SlotState.OFF)])
    assert not confirmed(drain, [router(), router(TWO, SlotState.READY)])
    assert not confirmed(drain, [router(), router(TWO, error="no answer")])
