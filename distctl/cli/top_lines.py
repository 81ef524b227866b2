"""What `top` prints: one line for each row, cut to the width of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from distctl.policy.tops import Row

BARS = "▁▂▃▄▅▆▇█"
HEADINGS = {"model": ("MODEL", "REPLICAS"), "node": ("NODE", "GPU"), "router": ("ROUTER", "HELD")}
NAME, STATE, SIZE, RATE, FLIGHT, QUEUED, LATENCY = 16, 13, 10, 7, 6, 6, 7  # columns
ROOM = NAME + STATE + SIZE + RATE + FLIGHT + QUEUED + LATENCY + 7  # with a space after each
LONGEST = 60  # points of a sparkline


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, and what it is: heading, well, or ill."""

    text: str
    style: str = ""


def lines(rows: Iterable[Row], width: int) -> list[Line]:
    """A block for each kind, with its heading and an empty line between two."""
    found: list[Line] = []
    every = list(rows)
    for kind, (title, size) in HEADINGS.items():
        chosen = [row for row in every if row.kind == kind]
        if chosen:
            found += [Line("")] if found else []
            found.append(Line(_heading(title, size)[:width], "bold"))
            found += [Line(_text(row, width), "" if row.well else "red") for row in chosen]
    return found


def _heading(title: str, size: str) -> str:
    left = f"{title:<{NAME}} {'STATE':<{STATE}} {size:<{SIZE}} "
    return f"{left}{'REQ/S':>{RATE}} {'FLIGHT':>{FLIGHT}} {'QUEUED':>{QUEUED}} {'LATENCY':>{LATENCY}}"


def _text(row: Row, width: int) -> str:
    left = f"{_cut(row.name, NAME)} {_cut(row.state, STATE)} {_cut(row.size, SIZE)} "
    middle = f"{_number(row.rate):>{RATE}} {row.in_flight:>{FLIGHT}} {row.queued:>{QUEUED}} "
    whole = f"{left}{middle}{_time(row.seconds):>{LATENCY}} {spark(row.rates, width - ROOM)}"
    return whole.rstrip()[:width]


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10_000 else f"{value / 1000:.1f}k"  # noqa: PLR2004


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f}ms" if seconds < 1 else f"{seconds:.1f}s"


def spark(rates: Sequence[float], width: int) -> str:
    """The newest rates as bars, the largest of them at full height; where they are too many some are joined.

    Joined points are their mean, so that the whole time is shown at any width.
    """
    room = min(width, LONGEST)
    if room <= 0 or not rates:
        return ""
    each = -(-len(rates) // room)
    first = len(rates) % each
    groups = [rates[max(0, at - each) : at] for at in range(first or each, len(rates) + 1, each)]
    means = [sum(group) / len(group) for group in groups]
    most = max(means) or 1.0
    return "".join(BARS[round(mean / most * (len(BARS) - 1))] for mean in means)
