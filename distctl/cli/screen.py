"""A moving picture on stderr, for those who show how something goes on."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from distctl.cli.output import console

if TYPE_CHECKING:
    from typing_extensions import Self


class Screen:
    """Has a `_screen` if it is to be `moving`; without one it is for whoever builds on it to print lines."""

    def __init__(self, *, moving: bool) -> None:
        self._screen = None
        if moving:
            from rich.live import Live

            self._screen = Live(console=console(stderr=True), refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._screen:
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen:
            self._screen.stop()
