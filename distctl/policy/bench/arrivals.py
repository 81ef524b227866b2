"""When the requests of an open loop are due.

A schedule does not wait for answers: a server that stalls for a second finds the requests of that second
waiting, as it would with clients that know nothing of one another. Latency is measured from these instants.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from distctl.policy.bench.step import Arrivals, Step

SEED = 20_240  # the same schedule at each run, so that two runs can be compared


def due(step: Step) -> Iterator[float]:
    """Instants at which requests are due, in seconds from the begin of the warm-up, in order.

    First the warm-up's, then `step.due` that count, over `step.planned` seconds.
    """
    yield from _spread(step, int(step.level * step.warmup))
    yield from (step.warmup + at for at in _spread(step, step.due))


def _spread(step: Step, count: int) -> Iterator[float]:
    """So many instants at the step's rate, from 0."""
    if step.arrivals is Arrivals.CONSTANT:
        return (number / step.level for number in range(count))
    return _poisson(count, count / step.level)


def _poisson(count: int, seconds: float) -> Iterator[float]:
    """A Poisson process of which it is known that `count` arrive, so that the rate is what was asked for.

    Those are independent and even over the time; made in order, one at a time (Bentley and Saxe 1980).
    """
    chance = random.Random(SEED)  # noqa: S311 - a schedule, not a secret
    at = 0.0
    for left in range(count, 0, -1):
        at += (seconds - at) * (1 - chance.random() ** (1 / left))
        yield at
