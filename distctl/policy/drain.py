"""The next step of a drain, and why.

A drain ends only when every router has confirmed that it sends nothing new, a minimum time has passed
since, and nothing is in flight or queued in any router, protocol or worker, old workers included. Two waits
run one after the other, never side by side: a request admitted just before the confirmation would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from distctl.cluster.router import RouterSight, SlotState
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
    """Slots that are to be emptied. `confirmed_at` is when the last router confirmed, None before."""

    slots: frozenset[tuple[str, ServerId]]
    deadline: Instant
    confirmed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, its reason as a sentence, and how many requests are still there."""

    step: Step
    reason: str
    busy: int = 0


def confirmed(drain: Drain, routers: Iterable[RouterSight]) -> bool:
    """Whether every router sends nothing new to any of the slots."""
    return not _unconfirmed(drain, tuple(routers))


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
    if old and not expired:
        # An old worker serves idle clients from the list it was started with, whatever the socket was told.
        return Decision(
            Step.WAIT, f"{busy} in flight, and an old worker of {', '.join(old)} still serves", busy
        )
    if busy == 0 and now - drain.confirmed_at >= MINIMUM:
        return Decision(Step.RELEASE, f"nothing in flight for {MINIMUM:g} s")
    if expired and busy:
        return Decision(Step.EXPIRE, f"{busy} requests still in flight at the deadline", busy)
    return Decision(Step.WAIT, f"{busy} in flight", busy)


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
    busy = 0
    for router in routers:
        sights = [router.slot(model, server) for model, server in drain.slots]
        busy += sum(s.in_flight + s.queued for s in sights if s is not None)
    return busy
