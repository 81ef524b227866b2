"""Requests a second of each model over the last minutes: what a sparkline draws. Pure.

A point is added every few seconds, not at each look, so that a large cluster pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import RouterId
from distctl.policy.autoscale.demand import demands
from distctl.policy.decision import Seen

STEP = 5.0  # seconds from one point to the next
POINTS = 60  # that are kept: five minutes

Totals = Mapping[str, Mapping[RouterId, int]]  # by model and router: requests since its worker began


@dataclass(frozen=True, slots=True)
class Trend:
    """By model: requests a second, the oldest first; `totals` as of the last point, which was `at`."""

    at: Instant = 0.0
    totals: Totals = field(default_factory=dict)
    rates: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def added(before: Trend, seen: Seen) -> Trend:
    """The trend with what was seen, once a point is due. The first sight of a model gives it none."""
    since = seen.now - before.at
    if 0 <= since < STEP:
        return before
    asked = demands((model.name for model in seen.spec.models), seen.spec.router_ids, seen.snapshot)
    totals = {name: demand.totals for name, demand in asked.items()}
    rates = {
        name: (*before.rates.get(name, ()), _answered(before.totals[name], now) / since)[-POINTS:]
        for name, now in totals.items()
        if name in before.totals and since > 0
    }
    return Trend(seen.now, totals, rates)


def _answered(before: Mapping[RouterId, int], now: Mapping[RouterId, int]) -> int:
    """A router that was not seen before, or whose counters began anew, adds nothing."""
    return sum(max(0, total - before.get(router, total)) for router, total in now.items())
