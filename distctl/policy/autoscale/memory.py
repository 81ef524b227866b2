"""What is remembered of a model's demand from one look to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import Autoscale, ModelSpec, RouterId
from distctl.policy.autoscale.demand import Demand
from distctl.policy.autoscale.kpa import Load, Panic
from distctl.policy.autoscale.windows import Needs, Window


@dataclass(frozen=True, slots=True)
class Target:
    """What one replica is meant to take; None: that counts nothing. One of them is a number."""

    concurrency: float | None
    rps: float | None = None


def target(model: ModelSpec, capacity: int) -> Target:
    """What the file says, else as many requests as a server gets at once, else as it can use (`capacity`)."""
    said = model.autoscale or Autoscale(1, 1)
    if said.concurrency is None and said.rps is None:
        admitted = model.admission.concurrency if model.admission else 0
        return Target(float(admitted or capacity or 1))
    return Target(said.concurrency, said.rps)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one model. Times are instants: of the last look, the last request and the last decision."""

    busy: Window  # requests at once
    rate: Window  # requests a second
    seen: Instant
    used: Instant
    decided: Instant
    panic: Panic
    needs: Needs
    totals: Mapping[RouterId, int] = field(default_factory=dict)

    def load(self, target: Target, now: Instant, spec: Autoscale) -> Load:
        """What is asked for, in replicas: the larger of both kinds in each window."""
        return Load(self._load(target, now, spec.stable), self._load(target, now, spec.panic))

    def _load(self, target: Target, now: Instant, seconds: float) -> float:
        busy, rate = self.busy.mean(now, seconds) or 0.0, self.rate.mean(now, seconds) or 0.0
        return max(_share(busy, target.concurrency), _share(rate, target.rps))


def _share(value: float, each: float | None) -> float:
    return value / each if each else 0.0


def begin(spec: Autoscale, count: int, now: Instant) -> Memory:
    """The memory of a controller that just started: in a panic, so that nothing leaves for a window."""
    panic = Panic(now, count) if count > 1 else Panic()
    needs = Needs().record(now, count, spec.down_after)
    return Memory(Window(spec.stable), Window(spec.stable), now, now, float("-inf"), panic, needs)


def look(memory: Memory, demand: Demand, now: Instant) -> Memory:
    """The memory after one more look. A router whose counters began anew tells nothing of the time before."""
    since = now - memory.seen
    answered = sum(max(0, total - memory.totals.get(id, total)) for id, total in demand.totals.items())
    rate = memory.rate
    if since > 0 and memory.totals:
        rate = rate.record(now, answered / since)
    return replace(
        memory,
        busy=memory.busy.record(now, demand.requests),
        rate=rate,
        seen=now,
        used=now if demand.requests or answered else memory.used,
        totals=demand.totals,
    )
