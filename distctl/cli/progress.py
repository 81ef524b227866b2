"""A live line for each node while a plan is carried out; plain timestamped lines without a terminal."""

from __future__ import annotations

import re
import sys
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from distctl.cli.output import note
from distctl.cli.screen import Screen
from distctl.cli.voice import NORMAL, level

if TYPE_CHECKING:
    from rich.table import Table

    from distctl.control.execute import Outcome

_NUMBERS = re.compile(r"[\d.]+")
HEARTBEAT = 15.0  # seconds between two lines of a step that still goes on, without a terminal


class Progress(Screen):
    """Watches an execution. Use as a context manager and hand `watch` to it."""

    def __init__(self) -> None:
        self._silent = level() < NORMAL
        # Lines of -v would tear a moving picture.
        super().__init__(moving=sys.stderr.isatty() and level() == NORMAL)
        self._lines: dict[str, str] = {}
        self._told: dict[int, tuple[str, float]] = {}  # by step: what was told last, and when
        self._lock = threading.Lock()

    def watch(self, outcome: Outcome) -> None:
        """Show where a step is."""
        if self._silent:
            return
        with self._lock:
            if self._screen:
                self._moving(outcome)
            else:
                self._plain(outcome)

    def _moving(self, outcome: Outcome) -> None:
        node = outcome.step.operation.node
        text = outcome.step.operation.text
        if outcome.state.value in ("running", "done"):
            self._lines[node] = f"{text}: {outcome.detail or outcome.state.value}"
        else:
            self._lines[node] = f"{text}: {outcome.state.value}: {outcome.detail}"
        if self._screen:
            self._screen.update(self._grid())

    def _grid(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for node, line in sorted(self._lines.items()):
            grid.add_row(Text(node, style="bold"), Text(line))
        return grid

    def _plain(self, outcome: Outcome) -> None:
        number, now = outcome.step.number, time.monotonic()
        running = outcome.state.value == "running"
        kind = _NUMBERS.sub("", outcome.detail)  # "3 in flight" and "2 in flight" are one kind of news
        said, at = self._told.get(number, (None, 0.0))
        if running and said == kind and now - at < HEARTBEAT:
            return
        self._told[number] = (kind, now)
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        state = outcome.detail if running and outcome.detail else outcome.state.value
        if outcome.state.value == "done":
            state = f"done in {outcome.seconds:.1f} s"
        note(f"{stamp} {outcome.step.operation.node} {outcome.step.operation.text}: {state}")
