"""Knative's decision: a stable window, a panic window, rates (pkg/autoscaler/scaling/autoscaler.go, Scale).

Four things differ. Replicas that crash or still load are no reason to want fewer: rates are bounds for a
change of the count in force. The rate downwards comes after the delay, which would else pass anew for each
step. And a load within the tolerance of what the count is meant to take changes nothing, as in Kubernetes'
HorizontalPodAutoscaler. A burst is judged by the load itself: in whole replicas, a little more than one would
be twice as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import Autoscale

ROUNDING = 1e-9  # a load of 3.0000000001 replicas is one of three


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for, in replicas that would be busy with it, averaged over both windows."""

    stable: float
    panic: float


@dataclass(frozen=True, slots=True)
class Panic:
    """When the load was last a burst, and the most replicas that were wanted since; None: it is none."""

    since: Instant | None = None
    most: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """How the count stands: in force, and serving."""

    target: int
    serving: int


def replicas(load: float) -> int:
    """Whole replicas for a load."""
    return math.ceil(load - ROUNDING)


def needed(spec: Autoscale, load: Load, count: Count, panic: Panic, now: Instant) -> tuple[int, Panic]:
    """How many replicas the load needs, delays and bounds aside, and the panic from now on."""
    ready = max(1, count.serving)
    most = max(count.target, math.ceil(spec.up_rate * ready))
    wanted = min(_stable(spec, load.stable, count.target), most)
    panic = _panic(spec, load.panic / ready >= spec.panic_at, panic, now)
    if panic.since is None:
        return wanted, panic
    panic = Panic(panic.since, max(panic.most, count.target, wanted, min(replicas(load.panic), most)))
    return panic.most, panic


def slowed(spec: Autoscale, wanted: int, target: int) -> int:
    """No further down than the rate allows in one decision."""
    return max(wanted, math.floor(target / spec.down_rate))


def _stable(spec: Autoscale, load: float, target: int) -> int:
    return target if abs(load - target) <= spec.tolerance * target else replicas(load)


def _panic(spec: Autoscale, over: bool, panic: Panic, now: Instant) -> Panic:
    """It begins with a burst, goes on with each further one, and ends a stable window after the last."""
    if over:
        return Panic(now, panic.most)
    if panic.since is not None and not 0 <= now - panic.since <= spec.stable:
        return Panic()
    return panic
