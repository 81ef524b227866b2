"""What it costs one controller to watch many servers: the real loop on stand-ins that answer over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import work as tools
from benchmarks.work import PORTS, Aim, Section, Work, say

SIZES = (250, 500, 1000, 2000, 4000)
PORT = PORTS + 900
HALF = 0.5  # of a core, at 1,000 servers


def run_one(work: Work, servers: int, number: int) -> dict[str, float]:
    """One controller of so many servers; what it cost."""
    folder = work.folder / f"observe-{servers}-{number}"
    folder.mkdir()
    argv = [sys.executable, "-m", "benchmarks.observing", folder, str(servers), str(PORT), "10"]
    found: dict[str, float] = json.loads(tools.run(argv, timeout=120))
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
        "The real controller (record, look, policies; nothing is carried out) once a second on stand-ins for "
        "Triton with three models each, a process of their own that answers over HTTP from an address of "
        f"127.0.0.0/8 each. The lowest of {work.rounds} rounds of 10 s. A look is what the loop waits for; "
        "the poller's answers come meanwhile, and the oldest is as old as said. "
        "A share counts only where it looked once a second.",
        [
            "servers",
            "cores at 1 Hz",
            "us per server",
            "a look, ms",
            "memory, MiB",
            "oldest answer, s",
            "looks a second",
            "without an answer",
        ],
    )
    for servers in SIZES:
        with stand_ins():
            rounds = [run_one(work, servers, number) for number in range(work.rounds)]
        best = {
            name: min(one[name] for one in rounds) for name in ("share", "look", "memory", "age", "silent")
        }
        section.rows.append(
            [
                f"{servers}",
                f"{best['share']:.2f}",
                f"{best['share'] / servers * 1e6:.0f}",
                f"{best['look'] * 1000:.0f}",
                f"{best['memory']:.0f}",
                f"{best['age']:.1f}",
                f"{max(one['looks'] for one in rounds):.2f}",
                f"{best['silent']:.0f}",
            ]
        )
        section.figures |= {f"share_{servers}": best["share"], f"memory_{servers}": best["memory"]}
        if best["silent"]:
            section.notes.append(
                f"Of {servers:,} servers some had no answer in time on this machine: that row does not say "
                "what watching them costs."
            )
        if servers == 1000:
            section.aims.append(Aim("share of a core for 1,000 servers", HALF, best["share"]))
            section.aims.append(Aim("seconds of a look at 1,000 servers", 1.0, best["look"]))
    return section


def run(work: Work) -> list[Section]:
    """The curve."""
    return [measure(work)]
