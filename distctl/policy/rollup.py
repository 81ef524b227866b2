"""From the minutes of replicas to the hours of models, as the record keeps them for weeks. Pure.

A minute's requests are what the routers' counters grew by. What was counted before this process began is read
back from the record's minutes, so that a change of controllers loses no more than the minute it happened in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from distctl.cluster.hours import ALL_NODES, HOUR, Hour
from distctl.cluster.record import AddHour, AddLoad, Load
from distctl.cluster.snapshot import Instant
from distctl.policy.loads import SPAN, Place


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each replica's counter stood at in a minute. `complete`: one that is missing stood at nothing."""

    totals: Mapping[Place, int] = field(default_factory=dict)
    at: Instant = 0.0  # the minute's begin
    complete: bool = False


def opened(loads: Iterable[Load]) -> Ledger:
    """The ledger as the record's minutes left it."""
    found = sorted(loads, key=lambda load: load.at)
    return Ledger({(load.server, load.model): load.total for load in found}, found[-1].at if found else 0.0)


def rolled(ledger: Ledger, rows: Iterable[AddLoad]) -> tuple[Ledger, list[AddHour]]:
    """The ledger after one minute's rows, one at least, and what that minute adds to the hours."""
    loads = [row.load for row in rows]
    at = loads[0].at
    gap = max(round((at - ledger.at) / SPAN), 1) if ledger.at else 1
    sums = defaultdict[tuple[str, str], Counter[str]](Counter)
    for load in loads:
        found = {"requests": _grown(ledger, load), "in_flight": load.in_flight, "queued": load.queued}
        sums[load.server.node, load.model].update(found)
        sums[ALL_NODES, load.model].update(found)
    totals = {**ledger.totals, **{(load.server, load.model): load.total for load in loads}}
    hours = [
        _minute(node, model, at, found, gap) for (node, model), found in sorted(sums.items()) if found.total()
    ]
    return Ledger(totals, at, complete=True), [AddHour(hour) for hour in hours]


def _grown(ledger: Ledger, load: Load) -> int:
    """Requests since the minute before; a counter that began anew counts what was added since."""
    before = ledger.totals.get((load.server, load.model), 0 if ledger.complete else load.total)
    return load.total - before if load.total >= before else load.total


def _minute(node: str, model: str, at: Instant, found: Counter[str], gap: int) -> Hour:
    """One minute of an hour; what was counted over a `gap` of several was no more at once."""
    return Hour(
        model,
        node,
        at // HOUR * HOUR,
        at,
        minutes=1,
        requests=found["requests"],
        in_flight=found["in_flight"],
        queued=found["queued"],
        most=ceil(found["requests"] / gap),
        most_at=at,
    )
