"""What the routers count, added up for each server and model in one walk over their slots."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from distctl.cluster.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests by what they are for: a model, or a server as NODE/SERVER, which is no model's name.

    `answered` are those since a router's worker began, so by router too.
    """

    in_flight: Counter[str] = field(default_factory=Counter)
    queued: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)


def tallied(snapshot: Snapshot) -> Tally:
    """The sums over every slot of every router that was seen."""
    found = Tally()
    for router, sight in snapshot.routers.items():
        found.held.update(sight.held)
        for model, server, slot in sight.slots:
            for one in (model, str(server)):
                found.in_flight[one] += slot.in_flight
                found.queued[one] += slot.queued
                found.answered[one, str(router)] += slot.total
    return found
