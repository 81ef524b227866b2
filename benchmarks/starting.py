"""How long the command line takes to answer: `--help` and `status` against importing typer and rich."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.cluster import local_cluster
from benchmarks.work import Aim, Section, Work, distctl, environment, median, spread, timed

TIMES = 4  # runs in a round


def run(work: Work) -> list[Section]:
    """Whole processes, in turn."""
    section = Section(
        "starting",
        "The command line: how soon it answers",
        f"Whole processes, {work.rounds * TIMES} runs of each in turn, byte code cached, medians. "
        "`status` asks two Tritons and a router.",
        ["command", "ms", "to importing typer and rich"],
    )
    with local_cluster(work.folder / "cluster") as cluster:
        commands = {
            "python -c 'import typer, rich'": [sys.executable, "-c", "import typer, rich"],
            "the same with what typer's own help imports": [sys.executable, "-c", "import typer.rich_utils"],
            "distctl --help": [*distctl(), "--help"],
            "distctl status": [*distctl(), "status", "-i", str(cluster.inventory)],
        }
        found = _measure(work, commands)
    base, full, mine, status = (found[name] for name in commands)
    for name, times in found.items():
        section.rows.append([name, spread([t * 1000 for t in times], 0), f"{_ratio(times, base):.2f}"])
    why = f"importing typer and every command's module; {_ratio(mine, full):.2f} of what typer's "
    why += "own help imports"
    section.aims.append(Aim("`--help` to importing typer and rich", 1.3, _ratio(mine, base), why=why))
    section.figures = {
        "help_ms": median(mine) * 1000,
        "status_ms": median(status) * 1000,
        "help_to_import": _ratio(mine, base),
    }
    return [section]


def _measure(work: Work, commands: dict[str, Sequence[str]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(work.rounds * TIMES + 1):
        for name, argv in commands.items():
            took = timed(argv, timeout=60, env=environment())
            if number:  # the first writes byte code
                found[name].append(took)
    return found


def _ratio(times: Sequence[float], base: Sequence[float]) -> float:
    return median([a / b for a, b in zip(times, base, strict=True)])
