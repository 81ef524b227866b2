"""What every benchmark works with: a folder of its own, progress on stderr, bounded commands, medians."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distctl.adapters.artifacts import default_cache

CHECKOUT = Path(__file__).parent.parent
MODELS = Path(__file__).parent / "models"
PORTS = 26000  # the first of the loopback ports that benchmarks use


@dataclass(frozen=True, slots=True)
class Aim:
    """What was hoped for, and what came of it. `why` says where the rest goes when it was missed."""

    text: str
    limit: float
    got: float
    at_most: bool = True
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.got <= self.limit if self.at_most else self.got >= self.limit


@dataclass(slots=True)
class Section:
    """One benchmark's results: a table, aims, and what a reader must know to judge them."""

    name: str
    title: str
    how: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)  # for whoever quotes them: README


@dataclass(frozen=True, slots=True)
class Work:
    """A benchmark's run: where it keeps its files and how often it measures."""

    folder: Path
    rounds: int
    seconds: int  # one round of load

    @property
    def cache(self) -> Path:
        """What is kept between runs: other tools, installed once."""
        return default_cache() / "benchmarks"


@contextmanager
def working(rounds: int, seconds: int) -> Iterator[Work]:
    """A fresh folder for one benchmark, removed at the end. Not in /tmp: nothing may run from there."""
    base = default_cache() / "benchmarks"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    try:
        yield Work(folder, rounds, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What a command printed on stdout. Raises RuntimeError with its last words when it fails."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=timeout, env=env, cwd=cwd
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise RuntimeError(f"{' '.join(words[:6])}: exit {done.returncode}: {said}")
    return done.stdout


def timed(argv: Sequence[str | Path], *, timeout: float, env: Mapping[str, str] | None = None) -> float:
    """The seconds that a command takes."""
    began = time.perf_counter()
    run(argv, timeout=timeout, env=env)
    return time.perf_counter() - began


def distctl() -> list[str]:
    """The command line under test: the one installed beside this interpreter."""
    return [str(Path(sys.executable).parent / "distctl")]


def environment(**more: str) -> dict[str, str]:
    """The environment of programs under test: byte code is kept, as for users of an installed one."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "DISTCTL_INVENTORY")}
    return {**kept, **more}


def median(values: Sequence[float]) -> float:
    """The middle of several measurements; nan for none."""
    return statistics.median(values) if values else float("nan")


def spread(values: Sequence[float], digits: int = 2) -> str:
    """A median with the lowest and the highest of its measurements."""
    if not values:
        return "not measured"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
