"""Whether the memory of a controller that watches many servers grows with time."""

from __future__ import annotations

from benchmarks.observe import HOW, run_one, stand_ins
from benchmarks.work import Aim, Section, Work

SERVERS = 1000
MINUTES = 4
GROWTH = 5.0  # MiB a minute: more would be a leak, less may be the allocator's


def run(work: Work) -> list[Section]:
    """Once, for some minutes."""
    with stand_ins():
        found = run_one(work, SERVERS, 0, MINUTES * 60)
    minutes: list[float] = found["minutes"]
    section = Section(
        "memory",
        "Watching: the memory of a controller over minutes",
        f"{HOW}{SERVERS:,} servers; what the process holds (resident) at the end of each minute.",
        ["minute", "memory, MiB"],
        [[str(number), f"{held:.1f}"] for number, held in enumerate(minutes, start=1)],
    )
    grown = (minutes[-1] - minutes[0]) / (len(minutes) - 1)
    section.aims.append(Aim("MiB a minute after the first", GROWTH, grown))
    return [section]
