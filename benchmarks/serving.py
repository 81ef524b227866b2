"""distctl with two Tritons beside Ray Serve with two replicas behind the HAProxy it drives: equal work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cluster import local_cluster
from benchmarks.load import Measured, rest
from benchmarks.peers import Target, ours, process
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from benchmarks.work import run as command

RAY = "ray[serve]==2.60.0"
OURS, THEIRS = "distctl, two Tritons", "Ray Serve in its HAProxy mode, two replicas"
CLIENTS = (16, 64, 256)


def run(work: Work) -> list[Section]:
    """Both in turn. Raises RuntimeError where Ray cannot be installed."""
    python = _installed(work)
    found: dict[tuple[int, str], list[Measured]] = {}
    with local_cluster(work.folder / "cluster") as cluster, _ray_serve(python) as theirs:
        cluster.wait_ready()
        targets = {OURS: ours(cluster), THEIRS: theirs}
        for clients in CLIENTS:
            for target in targets.values():
                rest(target, clients, 1, work.folder)  # connections and caches, not counted
            for _ in range(work.rounds):
                for name, target in targets.items():
                    measured = rest(target, clients, work.seconds, work.folder)
                    found.setdefault((clients, name), []).append(measured)
                    say(f"{clients} clients: {name} {measured.rate:.0f}/s")
    return [_section(work, found)]


def _installed(work: Work) -> Path:
    """The interpreter of a place of its own that has Ray, made once."""
    folder = work.cache / "ray-2.60.0"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        say(f"installing {RAY}")
        command([sys.executable, "-m", "venv", "--clear", folder], timeout=120)
        command([python, "-m", "pip", "install", "-q", RAY], timeout=900)
        (folder / "whole").touch()
    return python


@contextmanager
def _ray_serve(python: Path) -> Iterator[Target]:
    port = PORTS + 990
    settings = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    words = [str(python), str(Path(__file__).with_name("ray_app.py")), str(port)]
    with process(words, port, seconds=90, **settings):
        yield Target(THEIRS, port, port)


def _section(work: Work, found: dict[tuple[int, str], list[Measured]]) -> Section:
    section = Section(
        "serving",
        "Serving: beside Ray Serve in its HAProxy mode",
        "Sixteen floats as JSON that a Python model answers: two Tritons with their python backend behind "
        "distctl's router, and two replicas of a deployment behind the HAProxy that Ray Serve drives; "
        f"{work.rounds} rounds of {work.seconds:g} s, in turn, medians; ratios likewise within a round.",
        ["clients", "what", "requests/s", "ratio", "p50 ms", "p99 ms"],
    )
    for clients in CLIENTS:
        pairs = list(zip(found[clients, OURS], found[clients, THEIRS], strict=True))
        ahead = median([one.rate / other.rate for one, other in pairs])
        for name in (OURS, THEIRS):
            rounds = found[clients, name]
            times = [f"{median([getattr(m, what) for m in rounds]):.1f}" for what in ("p50", "p99")]
            rate = f"{median([m.rate for m in rounds]):.0f}"
            section.rows.append([str(clients), name, rate, f"{ahead:.2f}" if name == OURS else "1", *times])
        section.aims.append(
            Aim(f"times the throughput of Ray Serve ({clients} clients)", 2.0, ahead, at_most=False)
        )
        section.figures[f"{clients}_to_ray_serve"] = ahead
    section.notes.append(f"{RAY}, with the same executable of HAProxy that distctl's router runs.")
    return section
