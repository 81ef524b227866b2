"""How late this process is itself: an answer that it could not read in time says nothing of a server."""

from __future__ import annotations

import asyncio

from distctl.policy.asking import stretched

BEAT = 0.25  # seconds from one to the next


class Pulse:
    """Beats in an event loop from `start` to `close`. `stretch` is how many times longer everything takes."""

    def __init__(self) -> None:
        self.stretch = 1.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to beat. In the loop's thread."""
        self._loop = loop
        self._wait()

    def close(self) -> None:
        """Beat no more. In the loop's thread."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(BEAT, self._beat, self._loop.time() + BEAT)

    def _beat(self, due: float) -> None:
        self.stretch = stretched(self.stretch, self._loop.time() - due)
        self._wait()
