"""Many times in a few numbers, and in a histogram that can be added to another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PER_DECADE = 20  # buckets of the histogram between 1 ms and 10 ms, and so on: 12 percent each
QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


@dataclass(frozen=True, slots=True)
class Times:
    """What some times come to, in seconds; `quantiles` by the names of `QUANTILES`."""

    count: int
    least: float
    mean: float
    longest: float
    quantiles: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.quantiles[name]


def times(values: Iterable[float]) -> Times | None:
    """What some times come to; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    found = {name: quantile(ordered, part) for name, part in QUANTILES.items()}
    return Times(len(ordered), ordered[0], math.fsum(ordered) / len(ordered), ordered[-1], found)


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of ascending values lie, interpolated as numpy does it."""
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def histogram(values: Iterable[float]) -> tuple[tuple[float, int], ...]:
    """How many times are up to a bound and above the one before: (bound in seconds, count), ascending.

    The bounds are the same for every measurement, so that histograms can be added up.
    """
    counts = Counter(math.ceil(PER_DECADE * math.log10(max(value, 1e-6))) for value in values)
    return tuple((10 ** (bucket / PER_DECADE), counts[bucket]) for bucket in sorted(counts))
