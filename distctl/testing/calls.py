"""Every call of a fake port passes here: it is noted, and a test may break it.

A process can die between any two changes, or an answer can fail to arrive. Calls that only look are not
counted, since a death after a look is a death after the change before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from distctl.errors import DistctlError


class Crash(BaseException):
    """The process of distctl died here. Not an Exception: nothing may catch it and go on."""


class Calls:
    """The calls of all ports of one process, in order. Safe to use from threads: one call at a time.

    `changes` are the names of the changes that took effect, such as "gpu01: push digits". `watch` is called
    with the name after each.
    """

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.watch: Callable[[str], None] | None = None
        self._lock = RLock()
        self._left: int | None = None
        self._failures: list[tuple[str, DistctlError]] = []

    def crash_after(self, count: int) -> None:
        """Let the process die once `count` more changes took effect; 0: at the next call of any kind."""
        self._left = count

    def fail(self, name: str, error: DistctlError, *, times: int = 1) -> None:
        """Raise `error` instead of the next `times` calls whose name contains `name`."""
        self._failures += [(name, error)] * times

    def restart(self) -> None:
        """A new process: nothing dies or fails any more. What was noted stays."""
        self._left = None
        self._failures.clear()

    @contextmanager
    def change(self, name: str) -> Iterator[None]:
        """A call that changes something. Raises Crash, or what `fail` was told."""
        with self._lock:
            self._pass(name)
            yield
            self.changes.append(name)
            if self.watch:
                self.watch(name)
            if self._left is not None:
                self._left -= 1
                self._die_if_due()

    @contextmanager
    def look(self, name: str) -> Iterator[None]:
        """A call that changes nothing. Raises Crash, or what `fail` was told."""
        with self._lock:
            self._pass(name)
            yield

    def _pass(self, name: str) -> None:
        self._die_if_due()
        for failure in self._failures:
            if failure[0] in name:
                self._failures.remove(failure)
                raise failure[1]

    def _die_if_due(self) -> None:
        if self._left is not None and self._left <= 0:
            raise Crash(f"after {len(self.changes)} changes")
