"""`python -m benchmarks [NAME...] [--rounds N] [--seconds S] [--dry]`: measure, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from dataclasses import asdict
from types import FrameType

from benchmarks import report
from benchmarks.machine import machine
from benchmarks.work import say, working

NAMES = (
    "starting",
    "routing",
    "features",
    "sizes",
    "idle",
    "serving",
    "unequal",
    "prefixes",
    "faults",
    "healing",
    "waking",
    "pushing",
    "nothing",
    "provisioning",
    "observe",
    "memory",
)


def main() -> int:
    """Run the benchmarks that are named, or all; 1 when one of them could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none: all")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured (5)")
    parser.add_argument("--seconds", type=int, default=4, help="one round of load (4)")
    parser.add_argument("--dry", action="store_true", help="print the results and write nothing")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _stopped)  # so that what was started is cleaned up
    return max(_measure(name, wanted) for name in wanted.names or NAMES)


def _measure(name: str, wanted: argparse.Namespace) -> int:
    say(f"benchmark {name}")
    about = machine()
    module = importlib.import_module(f"benchmarks.{name}")
    try:
        with working(wanted.rounds, wanted.seconds) as work:
            sections = module.run(work)
    except RuntimeError as error:
        say(f"benchmark {name} was not measured: {error}")
        return 1
    if wanted.dry:
        print(json.dumps([asdict(section) for section in sections], indent=1))
    else:
        report.keep(sections, about)
    for section in sections:
        for aim in section.aims:
            say(f"  {'met   ' if aim.met else 'MISSED'} {aim.text}: {aim.got:.3g} ({aim.limit:g})")
    return 0


def _stopped(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
