"""A model under a demand that is a function of time, in virtual time. Replicas come after a delay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from distctl.cluster.names import RouterId
from distctl.cluster.spec import Autoscale
from distctl.policy.autoscale.decide import decide
from distctl.policy.autoscale.demand import Demand
from distctl.policy.autoscale.kpa import Count
from distctl.policy.autoscale.memory import Memory, Target, begin

ROUTER = RouterId("main", "lb")
Curve = Callable[[float], float]  # seconds to requests at once


@dataclass
class Crowd:
    """One model. Replicas serve `start` seconds after they were asked for, and leave at once."""

    spec: Autoscale
    count: int = 1
    start: float = 0.0
    target: Target = field(default_factory=lambda: Target(10.0))
    now: float = 0.0
    memory: Memory | None = None
    told: list[tuple[float, int, str]] = field(default_factory=list)
    _ready_at: list[float] = field(default_factory=list)
    _total: float = 0.0

    def __post_init__(self) -> None:
        self._ready_at = [self.now] * self.count

    @property
    def serving(self) -> int:
        """The replicas that serve."""
        return sum(at <= self.now for at in self._ready_at)

    def look(self, requests: float, *, rate: float = 0.0, blind: str = "", holds: bool = True) -> int:
        """One look at the demand; the count after it."""
        self._total += rate
        held = round(requests) if not self.serving else 0
        demand = Demand(round(requests), held, {ROUTER: round(self._total)}, blind, holds)
        memory = begin(self.spec, self.count, self.now) if self.memory is None else self.memory
        count = Count(self.count, self.serving)
        self.memory, asked = decide(self.spec, self.target, count, memory, demand, self.now)
        if asked is not None and asked.count != self.count:
            added = asked.count - self.count
            self._ready_at = (self._ready_at + [self.now + self.start] * added)[: asked.count]
            self.count = asked.count
            self.told.append((self.now, asked.count, asked.why))
        return self.count

    def run(self, seconds: float, curve: Curve, step: float = 1.0, **how: object) -> list[int]:
        """The count after each look, for so long."""
        counts, end = [], self.now + seconds
        while self.now < end:
            counts.append(self.look(curve(self.now), **how))  # type: ignore[arg-type]
            self.now += step
        return counts
