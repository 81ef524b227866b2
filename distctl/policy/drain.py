"""The next step of a drain, and why.

A drain ends only when every router has confirmed that it sends nothing new, a minimum time has passed
since, and nothing is in flight or queued in any router, protocol or worker, old workers included. Two waits
run one after the other, never side by side: a request admitted just before the confirmation would be lost.
A sequence is open between its requests too: where a model has any, as long must pass without a request as
Triton itself keeps an idle one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import ServerId

MINIMUM = 1.0  # seconds after the confirmation in which a request on its way can still arrive


class Step(str, Enum):
    """What a drain does next."""

    CONFIRM = "confirm"  # wait for routers to say that they send nothing new
    WAIT = "wait"
    RELEASE = "release"  # nothing is in flight: the server may go
    EXPIRE = "expire"  # the deadline came first


@dataclass(frozen=True, slots=True)
class Drain:
    """Slots that are to be emptied. `confirmed_at` is when the last router confirmed, None before.

    `idle` is how many seconds a sequence may pause (0: no model has sequences), `requests` how many requests
    the slots had so far, and `quiet_since` when that was seen to change last.
    """

    slots: frozenset[tuple[str, ServerId]]
    deadline: Instant
    confirmed_at: Instant | None = None
    idle: float = 0.0
    requests: int = -1
    quiet_since: Instant = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, its reason as a sentence, and how many requests are still there."""

    step: Step
    reason: str
    busy: int = 0


def confirmed(drain: Drain, routers: Iterable[RouterSight]) -> bool:
    """Whether every router sends nothing new to any of the slots."""
    return not _unconfirmed(drain, tuple(routers))


def watched(drain: Drain, routers: Iterable[RouterSight], now: Instant) -> Drain:
    """The drain with what one more look has told: whether routers confirmed, whether requests still come."""
    seen = tuple(routers)
    requests = sum(slot.total for router in seen for slot in _sights(drain, router))
    if requests != drain.requests or _busy(drain, seen):
        drain = replace(drain, requests=requests, quiet_since=now)
    if drain.confirmed_at is None and confirmed(drain, seen):
        drain = replace(drain, confirmed_at=now)
    return drain


def next_step(drain: Drain, routers: Iterable[RouterSight], now: Instant) -> Decision:
    """Say what a drain does next. Pure: the caller records the decision, then executes it."""
    seen = tuple(routers)
    late = _unconfirmed(drain, seen)
    busy = _busy(drain, seen)
    expired = now >= drain.deadline
    if late:
        step = Step.EXPIRE if expired else Step.CONFIRM
        return Decision(step, f"waiting for {', '.join(late)} to confirm", busy)
    if drain.confirmed_at is None:
        return Decision(Step.CONFIRM, "confirmed by every router", busy)
    old = [str(router.id) for router in seen if router.old_workers]
    if old:
        # An old worker serves idle clients from the list it was started with, whatever the socket was told.
        step = Step.EXPIRE if expired else Step.WAIT
        return Decision(step, f"{busy} in flight, and an old worker of {', '.join(old)} still serves", busy)
    return _release(drain, busy, now)


def _release(drain: Drain, busy: int, now: Instant) -> Decision:
    """What comes once every router has confirmed: the end, when it has been quiet for long enough."""
    confirmed_at = drain.confirmed_at or now
    expired = now >= drain.deadline
    if busy:
        text = f"{busy} requests still in flight at the deadline" if expired else f"{busy} in flight"
        return Decision(Step.EXPIRE if expired else Step.WAIT, text, busy)
    quiet = now - (max(confirmed_at, drain.quiet_since) if drain.idle else confirmed_at)
    needed = max(MINIMUM, drain.idle)
    if quiet >= needed:
        return Decision(Step.RELEASE, f"nothing in flight for {needed:g} s")
    if not drain.idle:
        return Decision(Step.WAIT, "0 in flight")
    step = Step.EXPIRE if expired else Step.WAIT
    ago = now - drain.quiet_since
    return Decision(step, f"0 in flight, and sequences may be open: the last request was {ago:.0f} s ago")


def _unconfirmed(drain: Drain, routers: tuple[RouterSight, ...]) -> list[str]:
    late = []
    for router in routers:
        if router.error:
            late.append(str(router.id))
            continue
        for model, server in drain.slots:
            slot = router.slot(model, server)
            if slot is not None and slot.state is SlotState.READY:
                late.append(str(router.id))
                break
    return late


def _busy(drain: Drain, routers: tuple[RouterSight, ...]) -> int:
    """Requests in flight or queued, over every router, protocol and worker."""
    return sum(slot.in_flight + slot.queued for router in routers for slot in _sights(drain, router))


def _sights(drain: Drain, router: RouterSight) -> list[SlotSight]:
    sights = [router.slot(model, server) for model, server in drain.slots]
    return [sight for sight in sights if sight is not None]
