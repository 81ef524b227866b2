"""Events as they come: each look at the record brings those that were not told before."""

from __future__ import annotations

from distctl.cluster.record import Event
from distctl.cluster.snapshot import Instant
from distctl.policy.happened import Asked, newest
from distctl.ports import Store

MOST = 100_000  # events that the record keeps
LATE = 60.0  # seconds by which writers' clocks may differ, and one may write after a younger event


class Happening:
    """What happens from an instant on, as far as it is asked for."""

    def __init__(self, store: Store, asked: Asked, since: Instant) -> None:
        self._store, self._asked, self._since = store, asked, since
        self._told: set[Event] = set()

    def look(self, number: int = MOST) -> list[Event]:
        """The newest events since the last look, oldest first, so many at most. Raises StoreError."""
        limit = MOST if self._asked.narrows else number
        every = self._store.events(since=self._since, limit=limit)
        if len(every) == limit:
            self._since = max(self._since, every[0].at)  # what came before is not told later either
        found = [event for event in every if event not in self._told]
        self._told.update(found)
        if self._told:
            self._since = max(self._since, max(event.at for event in self._told) - LATE)
            self._told = {event for event in self._told if event.at >= self._since}
        return newest(found, self._asked, number)
