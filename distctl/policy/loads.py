"""Load as the record keeps it: one row a minute for each replica, of which the store keeps an hour. Pure.

Its size therefore follows the cluster's and never its age. Decisions do not read it: they have windows of
their own in memory (`policy.autoscale`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from distctl.cluster.record import AddLoad, Load
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import ServerId

SPAN = 60.0  # seconds

Place = tuple[ServerId, str]  # a server and a model


@dataclass(frozen=True, slots=True)
class Sum:
    """One replica's, added up over looks; `total` is what its routers had counted at the last of them."""

    in_flight: int = 0
    queued: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Minute:
    """The minute that goes on."""

    begun: Instant = 0.0
    looks: int = 0
    sums: Mapping[Place, Sum] = field(default_factory=dict)


def added(minute: Minute, seen: Snapshot) -> tuple[Minute, list[AddLoad]]:
    """The minute with one more look, and the rows of the one before once that is over.

    A look at which a router did not answer says too little, and is left out.
    """
    begun = seen.at // SPAN * SPAN
    rows = _rows(minute) if minute.looks and begun != minute.begun else []
    if begun != minute.begun:
        minute = Minute(begun)
    if not seen.routers or any(sight.error or not sight.running for sight in seen.routers.values()):
        return minute, rows
    return Minute(begun, minute.looks + 1, _summed(minute.sums, seen)), rows


def _summed(sums: Mapping[Place, Sum], seen: Snapshot) -> dict[Place, Sum]:
    now: dict[Place, Sum] = {}
    for sight in seen.routers.values():
        for model, server, slot in sight.slots:
            one = now.get((server, model), Sum())
            now[server, model] = Sum(
                one.in_flight + slot.in_flight, one.queued + slot.queued, one.total + slot.total
            )
    before = {place: sums.get(place, Sum()) for place in now}
    return {
        **sums,
        **{
            place: Sum(old.in_flight + now[place].in_flight, old.queued + now[place].queued, now[place].total)
            for place, old in before.items()
        },
    }


def _rows(minute: Minute) -> list[AddLoad]:
    """Means, rounded up: a little is not nothing. A replica that answered nothing ever has no row."""
    return [
        AddLoad(
            Load(
                server,
                model,
                minute.begun,
                math.ceil(one.in_flight / minute.looks),
                math.ceil(one.queued / minute.looks),
                one.total,
            )
        )
        for (server, model), one in sorted(minute.sums.items())
        if one != Sum()
    ]
