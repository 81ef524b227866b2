"""Which bounds hold at an instant: those of the schedule that began last, else the model's own.

A line of cron names the minutes at which its bounds begin to hold, in its time zone; they hold until any line
of the model names the next one. Where two name the same minute the later line of the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import Autoscale, Schedule

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and the largest count, and the cron line that says so, "" for the model's own."""

    min: int
    max: int
    by: str = ""


def bounds(spec: Autoscale, now: Instant) -> Bounds:
    """The bounds in force."""
    return _bounds(spec, int(now // MINUTE))


@lru_cache(maxsize=4096)
def _bounds(spec: Autoscale, minute: int) -> Bounds:
    begun = [(at, line) for line in spec.schedules if (at := _last(line, minute)) is not None]
    if not begun:
        return Bounds(spec.min, spec.max)
    latest = max(at for at, _ in begun)
    line = [line for at, line in begun if at == latest][-1]
    least = spec.min if line.min is None else line.min
    most = spec.max if line.max is None else line.max
    return Bounds(least, most, f"{line.cron} ({line.tz})")


def _last(line: Schedule, minute: int) -> float | None:
    """When a line last named a minute, this one included."""
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

    after = datetime.fromtimestamp(minute * MINUTE, timezone.utc) + timedelta(minutes=1)
    found = next(CronSim(line.cron, after.astimezone(ZoneInfo(line.tz)), reverse=True), None)
    return None if found is None else found.timestamp()
