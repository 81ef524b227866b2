"""The moving picture of `top`: textual's, one scrolling page. Imported by that command alone."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Input, Static

from distctl.cli.top_lines import lines
from distctl.errors import DistctlError
from distctl.policy.tops import Chosen, Row

INTERVAL = 1.0  # seconds from one look to the next
Look = Callable[[], Sequence[Row]]


class Top(App[None]):
    """Shows what `look` brings, each second; it is called in a thread, so that keys answer meanwhile."""

    CSS = """
    #head { height: 1; background: $panel; }
    #filter { display: none; dock: bottom; }
    #filter.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        ("s", "sort", "Sort"),
        ("r", "reverse", "Reverse"),
        ("slash", "filter", "Filter"),
        ("escape", "clear", "Show all"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, cluster: str, look: Look, about: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self._cluster, self._look, self._about = cluster, look, about
        self.chosen = Chosen()
        self._rows: Sequence[Row] = ()
        self._trouble = ""

    def compose(self) -> ComposeResult:
        """A line about the whole, the page, the filter while it is typed, the keys."""
        yield Static(id="head", markup=False)
        with VerticalScroll():
            yield Static("looking …", id="page", markup=False)
        yield Input(placeholder="a part of a name or state", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look. A signal ends it as `q` does, so that the terminal is as it was before."""
        import asyncio

        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.query_one(VerticalScroll).focus()
        self._again()

    def _again(self) -> None:
        self.run_worker(self._looked, thread=True, exclusive=True)

    def _looked(self) -> None:
        """One look, in a thread of its own; the next one begins a second after it has ended."""
        rows, trouble = self._rows, ""
        try:
            rows = self._look()
        except DistctlError as error:
            trouble = error.message
        with suppress(RuntimeError):  # it has ended meanwhile
            self.call_from_thread(self._take, rows, trouble)

    def _take(self, rows: Sequence[Row], trouble: str) -> None:
        self._rows, self._trouble = rows, trouble
        self._show()
        self.set_timer(INTERVAL, self._again)

    def on_resize(self) -> None:
        """Another width."""
        self._show()

    def _show(self) -> None:
        how = f"by {self.chosen.order}{' backwards' if self.chosen.backwards else ''}"
        only = f", only {self.chosen.filter!r}" if self.chosen.filter else ""
        said = self._trouble or f"{how}{only}{self._about()}"
        head = Text(f"{self._cluster}  {datetime.now().strftime('%H:%M:%S')}  {said}")
        self.query_one("#head", Static).update(head)
        if self._rows:
            width = max(20, self.size.width - 2)  # a column for the scroll bar
            found = lines(self.chosen.of(self._rows), width)
            page = Text("\n", no_wrap=True).join(Text(line.text, style=line.style) for line in found)
            self.query_one("#page", Static).update(page)

    # --- keys ---------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """By the next column."""
        self.chosen = self.chosen.next()
        self._show()

    def action_reverse(self) -> None:
        """The other way round."""
        self.chosen = replace(self.chosen, backwards=not self.chosen.backwards)
        self._show()

    def action_filter(self) -> None:
        """Ask which rows to show."""
        box = self.query_one("#filter", Input)
        box.add_class("open")
        box.focus()

    def action_clear(self) -> None:
        """Show every row again."""
        self.query_one("#filter", Input).value = ""
        self._close()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Rows follow each letter."""
        self.chosen = replace(self.chosen, filter=event.value)
        self._show()

    def on_input_submitted(self) -> None:
        """The filter stays, the box goes."""
        self._close()

    def _close(self) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self.query_one(VerticalScroll).focus()
