"""The steps of a measurement: how hard each presses, for how long, and the bounds that always hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from distctl.errors import InputError

MOST_STEPS = 50
MOST_IN_FLIGHT = 512  # requests; each may need a connection, and a process has 1024 descriptors by default
MOST_RATE = 20_000.0  # requests per second, more than one Python process can send
MOST_SECONDS = 600.0  # of one step
MOST_REQUESTS = 10_000_000  # of one step
MOST_BATCH = 65_536


class Loop(str, Enum):
    """What decides when the next request is sent."""

    CLOSED = "closed"  # the answer to the one before: so many clients, each waiting for its answer
    OPEN = "open"  # a schedule, however long the answers take


class Arrivals(str, Enum):
    """How the requests of an open loop are spread."""

    POISSON = "poisson"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Step:
    """One level of load.

    `level` is the number of clients in a closed loop, requests per second in an open one. It ends after
    `seconds` or `requests`, whichever comes first. The `warmup` before it, seconds, is left out of figures.
    """

    loop: Loop
    level: float
    seconds: float = 10.0
    requests: int = MOST_REQUESTS
    warmup: float = 1.0
    arrivals: Arrivals = Arrivals.POISSON

    def __str__(self) -> str:
        if self.loop is Loop.OPEN:
            return f"{self.level:g}/s"
        return "1 client" if self.level == 1 else f"{self.level:g} clients"

    @property
    def due(self) -> int:
        """How many requests of an open loop count."""
        return min(self.requests, max(1, round(self.level * self.seconds)))

    @property
    def planned(self) -> float:
        """Seconds over which they are due."""
        return self.due / self.level

    @property
    def connections(self) -> int:
        """How many requests may be in flight at once."""
        return int(self.level) if self.loop is Loop.CLOSED else MOST_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for every step of a sweep; see `Step`."""

    seconds: float
    requests: int | None
    warmup: float
    arrivals: Arrivals


def sweep(concurrency: str | None, rate: str | None, bounds: Bounds) -> tuple[Step, ...]:
    """The steps that `--concurrency 1,4,16` or `--rate 50,100` ask for; one client without either.

    Raises InputError for both, for what is no number, and for what is out of bounds.
    """
    if concurrency and rate:
        raise InputError("--concurrency and --rate are two kinds of measurement", hint="give one of them")
    if not 0 < bounds.seconds <= MOST_SECONDS or not 0 <= bounds.warmup <= MOST_SECONDS:
        raise InputError(f"--duration and --warmup may be up to {MOST_SECONDS:g}s each")
    if bounds.requests is not None and not 1 <= bounds.requests <= MOST_REQUESTS:
        raise InputError(f"--requests {bounds.requests}: 1 to {MOST_REQUESTS}")
    if rate:
        loop, levels = Loop.OPEN, _levels("--rate", rate, float, 0.1, MOST_RATE)
    else:
        loop, levels = Loop.CLOSED, _levels("--concurrency", concurrency or "1", int, 1, MOST_IN_FLIGHT)
    most = bounds.requests or MOST_REQUESTS
    return tuple(Step(loop, level, bounds.seconds, most, bounds.warmup, bounds.arrivals) for level in levels)


def _levels(
    option: str, text: str, kind: Callable[[str], float], least: float, most: float
) -> tuple[float, ...]:
    example = f"{option} {least:g},{4 * least:g},{16 * least:g}"
    try:
        found = tuple(kind(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"{option} {text}: not numbers separated by commas", hint=example) from error
    if len(found) > MOST_STEPS:
        raise InputError(f"{option}: {len(found)} steps, at most {MOST_STEPS}")
    for level in found:
        if not least <= level <= most:
            raise InputError(f"{option} {text}: {level:g} is not within {least:g} to {most:g}", hint=example)
    return found
