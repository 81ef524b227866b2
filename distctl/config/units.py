"""Durations and sizes as people write them: `10s`, `1h30m`, `500ms`; `128KiB`, `6GiB`.

A number without a unit is refused: nobody remembers whether it was seconds or milliseconds.
"""

from __future__ import annotations

import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

DURATION = r"^([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d))+$"
SIZE = r"^[0-9]{1,9}(\.[0-9]{1,6})?(B|KiB|MiB|GiB|TiB)$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def duration(text: str) -> float:
    """Seconds of `10s`, `2m`, `1h30m`, `500ms`, `7d`. Raises ValueError if it is no duration."""
    if not re.fullmatch(DURATION, text, re.ASCII):
        raise ValueError("not a duration")
    return sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(text))


def size(text: str) -> int:
    """Bytes of `128KiB`, `1.5MiB`, `64B`. Raises ValueError if it is no size."""
    if not re.fullmatch(SIZE, text, re.ASCII):
        raise ValueError("not a size")
    number = text.rstrip("BKMGTi")
    return int(float(number) * BYTES[text[len(number) :]])


def show_duration(seconds: float) -> str:
    """Seconds as they would be written: `600` is `10m`, `90` is `90s`, `0.5` is `500ms`."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms"


def show_size(count: int) -> str:
    """Bytes as they would be written: `131072` is `128KiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % BYTES[unit] == 0:
            return f"{count // BYTES[unit]}{unit}"
    return f"{count}B"
