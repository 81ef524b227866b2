"""A controller of a benchmark's cluster, with what it says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from benchmarks.work import distctl


class Cluster(Protocol):
    """What a controller needs of a cluster."""

    @property
    def inventory(self) -> Path:
        """Its file."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands for it run with."""


class Controller:
    """A `distctl controller run` with what it says."""

    def __init__(self, cluster: Cluster, log: Path) -> None:
        self._log = log
        with log.open("w") as sink:
            self.process = subprocess.Popen(
                [*distctl(), "controller", "run", "-o", "json", "-i", str(cluster.inventory)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(cluster.environment),
            )

    def wait(self, words: str, seconds: float = 60.0) -> float:
        """Seconds until it has said something. Raises RuntimeError."""
        begun = time.monotonic()
        while not any(words in line["text"] for line in self._said()):
            if time.monotonic() - begun > seconds:
                raise RuntimeError(f"the controller did not say {words!r}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def _said(self) -> list[Mapping[str, str]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def close(self) -> None:
        """Stop it, if it runs."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()
