"""What it costs one controller to watch many servers: the real loop on stand-ins that answer over HTTP."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks import work as tools
from benchmarks.work import PORTS, Aim, Section, Work, say

SIZES = (250, 500, 1000, 2000, 4000)
PORT = PORTS + 900
SECONDS = 10  # of a round
HALF = 0.5  # of a core, at 1,000 servers
HOW = (
    "The real controller (record, look, policies) once a second on stand-ins for Triton with three models "
    "each, a process of their own that answers over HTTP from an address of 127.0.0.0/8 each. "
)
FIGURES = ("share", "turn", "pass", "memory", "age", "stretch", "silent")


def run_one(work: Work, servers: int, number: int, seconds: int = SECONDS) -> dict[str, Any]:
    """One controller of so many servers; what it cost."""
    folder = work.folder / f"observe-{servers}-{number}-{seconds}"
    folder.mkdir()
    argv = [sys.executable, "-m", "benchmarks.observing", folder, str(servers), str(PORT), str(seconds)]
    found: dict[str, Any] = json.loads(tools.run(argv, timeout=seconds + 120))
    say(f"{servers} servers, round {number}: {found['share']:.2f} of a core, {found['memory']:.0f} MiB")
    return found


@contextmanager
def stand_ins() -> Iterator[None]:
    """All the servers, in a process of their own."""
    argv = [sys.executable, "-m", "distctl.testing.many", str(PORT), str(PORT + 2)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def measure(work: Work) -> Section:
    """Each size some times; the lowest of each figure counts, since the machine has other work."""
    section = Section(
        "observe",
        "Watching: what a controller of many servers costs",
        f"{HOW}The lowest of {work.rounds} rounds of {SECONDS} s. A turn is what the loop does in a second: "
        "it looks at what the poller's questions have come to, decides and writes down. A pass is all of it "
        "anew: take the lease, ask every server everything over new connections, compare with the record, "
        "and find nothing to do. The oldest answer is the oldest that any turn worked with.",
        [
            "servers",
            "turns a second",
            "cores",
            "us per server",
            "a turn, ms",
            "a pass, s",
            "memory, MiB",
            "oldest answer, s",
            "seconds between questions",
            "without an answer",
        ],
    )
    shares = {}
    for servers in SIZES:
        with stand_ins():
            rounds = [run_one(work, servers, number) for number in range(work.rounds)]
        best = {name: min(one[name] for one in rounds) for name in FIGURES}
        shares[servers] = best["share"]
        section.rows.append(_row(servers, best, max(one["turns"] for one in rounds)))
        section.figures |= {f"share_{servers}": best["share"], f"memory_{servers}": best["memory"]}
        if servers == 1000:
            section.aims.append(Aim("share of a core for 1,000 servers", HALF, best["share"]))
            section.aims.append(Aim("seconds of a turn at 1,000 servers", 1.0, best["turn"]))
            section.aims.append(Aim("seconds of a pass at 1,000 servers", 1.0, best["pass"]))
    _fit(section, shares)
    return section


def _row(servers: int, best: Mapping[str, float], turns: float) -> list[str]:
    return [
        f"{servers:,}",
        f"{turns:.2f}",
        f"{best['share']:.2f}",
        f"{best['share'] / servers * 1e6:.0f}",
        f"{best['turn'] * 1000:.0f}",
        f"{best['pass']:.2f}",
        f"{best['memory']:.0f}",
        f"{best['age']:.1f}",
        f"{best['stretch']:.1f}",
        f"{best['silent']:.0f}",
    ]


def _fit(section: Section, shares: Mapping[int, float]) -> None:
    """The straight line through all sizes, and how well it fits."""
    slope, start = statistics.linear_regression(list(shares), list(shares.values()))
    fits = statistics.correlation(list(shares), list(shares.values())) ** 2
    section.notes.append(
        f"A straight line through all sizes: {start:.3f} of a core and {slope * 1e6:.0f} us a second for "
        f"each server; R² is {fits:.3f}. `live` is asked each second. The other questions become rarer the "
        "more servers there are, up to 4,000, so that they stay as many in all. Where this process is late "
        "by itself, every question becomes rarer (seconds between questions): such a row is no cost at 1 Hz, "
        "and servers without an answer in it were well."
    )
    section.aims.append(Aim("R² of a straight line from 250 to 4,000 servers", 0.95, fits, at_most=False))


def run(work: Work) -> list[Section]:
    """The curve."""
    return [measure(work)]
