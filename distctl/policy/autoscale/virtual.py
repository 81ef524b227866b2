"""A model under a demand that is a function of time, in virtual time, with the real decisions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import Autoscale, RouterId
from distctl.policy.autoscale.decide import decide
from distctl.policy.autoscale.demand import Demand
from distctl.policy.autoscale.kpa import Count
from distctl.policy.autoscale.memory import Memory, Target, begin

ROUTER = RouterId("virtual", "here")
DAY = 86_400.0  # seconds
Curve = Callable[[float], float]  # seconds to requests at once, or a second


@dataclass
class Virtual:
    """One model. Replicas serve `start` seconds after they were asked for, and leave at once.

    `told` has each change: when, the count, why.
    """

    spec: Autoscale
    count: int = 1
    start: float = 0.0
    target: Target = field(default_factory=lambda: Target(10.0))
    now: Instant = 0.0
    told: list[tuple[Instant, int, str]] = field(default_factory=list)
    ready_at: list[Instant] = field(default_factory=list)
    _memory: Memory | None = None
    _total: float = 0.0

    def __post_init__(self) -> None:
        self.ready_at = [self.now] * self.count

    @property
    def serving(self) -> int:
        """The replicas that serve."""
        return sum(at <= self.now for at in self.ready_at)

    def look(self, requests: float, rate: float = 0.0, *, blind: str = "", holds: bool = True) -> int:
        """One look at the demand; the count after it."""
        self._total += rate
        held = round(requests) if not self.serving else 0
        demand = Demand(round(requests), held, {ROUTER: round(self._total)}, blind, holds)
        memory = self._memory or begin(self.spec, self.count, self.now)
        count = Count(self.count, self.serving)
        self._memory, asked = decide(self.spec, self.target, count, memory, demand, self.now)
        if asked is not None and asked.count != self.count:
            joining = [self.now + self.start] * (asked.count - self.count)
            self.ready_at = (self.ready_at + joining)[: asked.count]
            self.count = asked.count
            self.told.append((self.now, asked.count, asked.why))
        return self.count

    def run(
        self,
        seconds: float,
        curve: Curve,
        step: float = 1.0,
        *,
        rates: Curve = lambda _: 0.0,
        blind: str = "",
        holds: bool = True,
    ) -> list[int]:
        """The count after each look, for so long."""
        counts, end = [], self.now + seconds
        while self.now < end:
            counts.append(self.look(curve(self.now), rates(self.now) * step, blind=blind, holds=holds))
            self.now += step
        return counts


def day(low: float, high: float) -> Curve:
    """A demand over days: `low` at midnight UTC, `high` at noon."""
    return lambda now: low + (high - low) * (1 - math.cos(2 * math.pi * now / DAY)) / 2


def trace(points: Sequence[tuple[float, float]]) -> Curve:
    """Points of seconds and a demand: each holds until the next one."""
    times = [at for at, _ in points]

    def at(now: float) -> float:
        place = bisect_right(times, now) - 1
        return points[place][1] if place >= 0 else 0.0

    return at


def summary(virtual: Virtual, counts: Sequence[int], step: float) -> Mapping[str, float]:
    """Replica-hours used, and saved against the largest count that the file allows."""
    hours = sum(counts) * step / 3600
    most = max([virtual.spec.max, *(line.max or 0 for line in virtual.spec.schedules)])
    return {"replica_hours": hours, "saved": most * len(counts) * step / 3600 - hours}
