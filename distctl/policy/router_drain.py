"""The next step of a router's own end, and why.

First its health path says so, and it serves on for its lame-duck time, so that whoever balances over several
routers leaves it alone. Then it takes no new connection, and says so on those that are there (GOAWAY,
`Connection: close`). It ends by itself with the last of them. What HAProxy still counts as a connection
longer than an idle one may last, with nothing in flight, is a client that does not listen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Instant

IDLE = 35.0  # seconds; the router's own `timeout http-keep-alive` is 30


class RouterStep(str, Enum):
    """What a router's end does next."""

    WAIT = "wait"
    CLOSE = "close"  # the lame-duck time is over: no new connection
    HALT = "halt"  # nothing is in flight
    EXPIRE = "expire"  # the deadline came first


@dataclass(frozen=True, slots=True)
class RouterDrain:
    """One router's end. `quiet_since` is when nothing was seen in flight first, None while something is."""

    begun: Instant
    lame_duck: float  # seconds
    deadline: Instant
    quiet_since: Instant | None = None


@dataclass(frozen=True, slots=True)
class RouterDecision:
    """A step and its reason as a sentence."""

    step: RouterStep
    reason: str


def seen(drain: RouterDrain, sight: RouterSight, now: Instant) -> RouterDrain:
    """The end with what one more look has told."""
    if sight.error or sight.busy:
        return replace(drain, quiet_since=None)
    return drain if drain.quiet_since is not None else replace(drain, quiet_since=now)


def next_router_step(drain: RouterDrain, sight: RouterSight, now: Instant) -> RouterDecision:
    """Say what a router's end does next. Pure."""
    expired = now >= drain.deadline
    if sight.error:
        return RouterDecision(RouterStep.EXPIRE if expired else RouterStep.WAIT, f"no answer: {sight.error}")
    if not sight.running:
        return RouterDecision(RouterStep.HALT, "it has ended with its last connection")
    if not sight.stopping:
        left = drain.begun + drain.lame_duck - now
        step = RouterStep.WAIT if left > 0 else RouterStep.CLOSE
        return RouterDecision(
            step, f"its health path says that it goes; serves on for {max(0.0, left):.0f} s"
        )
    return _ending(drain, sight, now, expired=expired)


def _ending(drain: RouterDrain, sight: RouterSight, now: Instant, *, expired: bool) -> RouterDecision:
    """What comes once it takes no new connection."""
    if sight.busy:
        step = RouterStep.EXPIRE if expired else RouterStep.WAIT
        return RouterDecision(step, f"{sight.busy} in flight")
    quiet = now - (now if drain.quiet_since is None else drain.quiet_since)
    if expired or quiet >= IDLE:
        return RouterDecision(RouterStep.HALT, f"nothing in flight for {quiet:.0f} s, clients stay connected")
    return RouterDecision(RouterStep.WAIT, "nothing in flight; clients are still connected")
