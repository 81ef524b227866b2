"""An event loop whose time passes at once: code that waits is tested as it is, and no test waits."""

from __future__ import annotations

import asyncio
import selectors


class _Hurried(selectors.SelectSelector):
    """Waits for nothing: the time that it would have waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        self.passed += timeout or 0.0
        return super().select(0)


class HurriedLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and goes on only where everybody waits. Nothing outside of the process is awaited."""

    def __init__(self) -> None:
        self._hurried = _Hurried()
        super().__init__(self._hurried)

    def time(self) -> float:
        """Seconds since the loop was made, as its own code believes."""
        return self._hurried.passed
