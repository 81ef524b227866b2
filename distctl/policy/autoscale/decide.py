"""How many replicas one model gets, and why: what its load needs, then delays, sleep, bounds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import Autoscale
from distctl.config.units import show_duration
from distctl.policy.autoscale.demand import Demand
from distctl.policy.autoscale.kpa import Count, Load, needed, replicas, slowed
from distctl.policy.autoscale.memory import Memory, Target, look
from distctl.policy.autoscale.schedule import Bounds, bounds

TICK = 2.0  # seconds between two decisions, as in Knative (multiscaler.go, tickInterval)


@dataclass(frozen=True, slots=True)
class Asked:
    """A count that is asked for, why that many, and the least that the bounds in force allow."""

    count: int
    why: str
    least: int = 0


def decide(
    spec: Autoscale, target: Target, count: Count, memory: Memory, demand: Demand, now: Instant
) -> tuple[Memory, Asked | None]:
    """One look at one model: the memory after it, and the count that is asked for; None between decisions.

    A request that waits for a first server is not left waiting for the next decision.
    """
    memory = look(memory, demand, now)
    within = bounds(spec, now)
    if demand.held and not count.target and within.max:
        return _woken(spec, target, within, memory, demand, now)
    if 0 <= now - memory.decided < TICK:
        return memory, None
    load = memory.load(target, now, spec)
    wanted, panic = needed(spec, load, count, memory.panic, now)
    needs = memory.needs.record(now, max(wanted, 1), spec.down_after)
    memory = replace(memory, panic=panic, needs=needs, decided=now)
    asked = Asked(wanted, _load_words(load, target, burst=panic.since is not None))
    asked = _delayed(asked, memory, spec)
    asked = _asleep(asked, count, memory, spec, demand, now)
    asked = replace(asked, count=slowed(spec, asked.count, count.target))
    asked = _bounded(asked, within)
    if demand.blind and asked.count < count.target:
        asked = replace(asked, count=count.target, why=f"held at {count.target}: {demand.blind}")
    return memory, asked


def _woken(
    spec: Autoscale, target: Target, within: Bounds, memory: Memory, demand: Demand, now: Instant
) -> tuple[Memory, Asked]:
    load = demand.requests / target.concurrency if target.concurrency else 1.0
    wanted = max(1, replicas(load))
    needs = memory.needs.record(now, wanted, spec.down_after)
    waiting = f"{demand.held} request{'s wait' if demand.held > 1 else ' waits'} for a first server"
    return replace(memory, needs=needs, decided=now), _bounded(Asked(wanted, waiting), within)


def _load_words(load: Load, target: Target, *, burst: bool) -> str:
    shown = max(load.stable, load.panic) if burst else load.stable
    parts = []
    if target.concurrency:
        parts.append(f"{target.concurrency:g} requests at once")
    if target.rps:
        parts.append(f"{target.rps:g} a second")
    return f"{'a burst: ' if burst else ''}load for {shown:.1f} replicas, each {' or '.join(parts)}"


def _delayed(asked: Asked, memory: Memory, spec: Autoscale) -> Asked:
    """What was needed within the delay is kept."""
    most = memory.needs.most
    if most <= max(asked.count, 1):
        return asked
    clock = time.strftime("%H:%M:%S UTC", time.gmtime(memory.needs.items[0][0] + spec.down_after))
    return Asked(most, f"{most} were needed within {show_duration(spec.down_after)}; fewer from {clock}")


def _asleep(
    asked: Asked, count: Count, memory: Memory, spec: Autoscale, demand: Demand, now: Instant
) -> Asked:
    """Nothing is unloaded before it was idle for long enough and every router holds its requests."""
    if asked.count:
        return asked
    quiet = now - memory.used
    if not count.target:
        return Asked(0, "asleep until a request comes")
    if quiet < spec.idle:
        return Asked(1, f"idle; unloaded {show_duration(spec.idle)} after the last request")
    if not demand.holds:
        return Asked(1, "idle, and not every router holds its requests yet")
    return Asked(0, f"no request for {show_duration(spec.idle)}")


def _bounded(asked: Asked, within: Bounds) -> Asked:
    by = f"the schedule {within.by}" if within.by else "the file"
    if asked.count < within.min:
        return Asked(within.min, f"at least {within.min}, says {by}", within.min)
    if asked.count > within.max:
        return Asked(within.max, f"at most {within.max}, says {by}; {asked.why}", within.min)
    return replace(asked, least=within.min)
