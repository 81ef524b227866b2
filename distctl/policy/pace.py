"""How much went through each model in the last hour, minute by minute, from the loads that the record keeps.

Pure. A minute's requests are what the routers' counters grew by; one whose counters began anew counts what
was added since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.record import Load
from distctl.cluster.snapshot import Instant
from distctl.policy.loads import SPAN, Place


@dataclass(frozen=True, slots=True)
class Pace:
    """One minute of one model: when it began, requests a second, and the means of what was under way."""

    at: Instant
    rate: float
    in_flight: int
    queued: int


def paces(loads: Iterable[Load]) -> Mapping[str, tuple[Pace, ...]]:
    """By model: its minutes, the oldest first. The first minute of a replica says nothing of its rate."""
    totals: dict[Place, int] = {}
    minutes: dict[str, dict[Instant, Pace]] = defaultdict(dict)
    for load in sorted(loads, key=lambda load: load.at):
        place = (load.server, load.model)
        before = totals.get(place, load.total)
        grown = load.total - before if load.total >= before else load.total
        totals[place] = load.total
        sofar = minutes[load.model].get(load.at, Pace(load.at, 0.0, 0, 0))
        minutes[load.model][load.at] = Pace(
            load.at,
            sofar.rate + grown / SPAN,
            sofar.in_flight + load.in_flight,
            sofar.queued + load.queued,
        )
    return {model: tuple(found[at] for at in sorted(found)) for model, found in minutes.items()}
