"""How much went through each model in the last hour, minute by minute, and in the last day: from the record.

Pure. A minute's requests are what the routers' counters grew by; one whose counters began anew counts what
was added since.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.hours import ALL_NODES, DAY
from distctl.cluster.record import Hour, Load
from distctl.cluster.snapshot import Instant
from distctl.policy.loads import SPAN, Place


@dataclass(frozen=True, slots=True)
class Pace:
    """One minute of one model: when it began, requests a second, and the means of what was under way."""

    at: Instant
    rate: float
    in_flight: int
    queued: int


@dataclass(frozen=True, slots=True)
class Day:
    """What went through one model in the last 24 hours: requests, the busiest minute and the busiest node."""

    requests: int
    most: float  # requests a second, in its busiest minute
    most_at: Instant  # the begin of that
    node: str = ""  # with the most requests, "" where the record names none
    node_requests: int = 0


def day(hours: Iterable[Hour], model: str, now: Instant) -> Day | None:
    """Of the hours that began within 24 hours before `now`; None when the record has none of the model."""
    late = [hour for hour in hours if hour.model == model and hour.at >= now - DAY]
    together = [hour for hour in late if hour.node == ALL_NODES]
    if not together:
        return None
    nodes = Counter[str]()
    for hour in late:
        if hour.node != ALL_NODES:
            nodes[hour.node] += hour.requests
    top = max(together, key=lambda hour: hour.most)
    node, most = max(sorted(nodes.items()), key=lambda item: item[1], default=("", 0))
    return Day(sum(h.requests for h in together), top.most / SPAN, top.most_at, node, most)


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
