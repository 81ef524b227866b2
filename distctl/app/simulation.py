"""A demand, as it was written down or as a curve, against a model's settings in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distctl.app.session import Session
from distctl.cluster.snapshot import Instant
from distctl.errors import InputError
from distctl.policy.autoscale.memory import target
from distctl.policy.autoscale.virtual import DAY, Curve, Virtual, day, summary, trace

EXAMPLE = "lines of SECONDS,REQUESTS or SECONDS,REQUESTS,RATE, such as 60,12"


@dataclass(frozen=True, slots=True)
class Demanded:
    """Requests at once and requests a second over some seconds."""

    requests: Curve
    rates: Curve
    seconds: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """Each change of the count (seconds from the beginning, count, why), and what it came to."""

    changes: tuple[tuple[float, int, str], ...]
    summary: Mapping[str, float]


def demand_of(file: Path | None, curve: str, seconds: float | None) -> Demanded:
    """The demand in a file, else a day's curve. Raises InputError."""
    if file is None:
        low, _, high = curve.partition(":")
        try:
            return Demanded(day(float(low), float(high)), lambda _: 0.0, seconds or DAY)
        except ValueError:
            raise InputError(f"{curve!r} is no curve", hint="write LOW:HIGH, such as 0:100") from None
    points = _points(file)
    last = points[-1][0]
    return Demanded(
        trace([(at, requests) for at, requests, _ in points]),
        trace([(at, rate) for at, _, rate in points]),
        seconds or last,
    )


def _points(file: Path) -> list[tuple[float, float, float]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and not line.strip()[0].isdigit()):
            continue
        try:
            at, requests, *rate = (float(word) for word in line.split(","))
            found.append((at, requests, rate[0] if rate else 0.0))
        except ValueError:
            raise InputError(f"{file}:{number}: {line!r} is no point", hint=f"write {EXAMPLE}") from None
    if not found or found != sorted(found, key=lambda point: point[0]):
        raise InputError(f"{file}: no points in the order of time", hint=f"write {EXAMPLE}")
    return found


def simulated(session: Session, name: str, demand: Demanded, *, start: float, step: float) -> Simulated:
    """What would become of a model of the inventory; replicas serve `start` seconds later. Raises InputError.

    Time begins at a midnight UTC, the next one, so that schedules mean what they say.
    """
    found = next((model for model in session.spec.models if model.name == name), None)
    if found is None:
        raise InputError(f"there is no model {name!r}", hint="distctl inventory")
    if found.autoscale is None:
        raise InputError(f"{name} has a fixed number of replicas", hint="write replicas: {min: 1, max: 4}")
    begin: Instant = (session.clock.now() // DAY + 1) * DAY
    each = target(found, session.routers.concurrency.get(name, 1))
    virtual = Virtual(found.autoscale, max(found.replicas, 1), start, each, begin)
    counts = virtual.run(
        demand.seconds,
        lambda now: demand.requests(now - begin),
        step,
        rates=lambda now: demand.rates(now - begin),
    )
    changes = ((at - begin, count, why) for at, count, why in virtual.told)
    return Simulated(tuple(changes), summary(virtual, counts, step))
