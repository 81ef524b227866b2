"""The live picture of a cluster: looked at each second by this process itself, whoever else looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from distctl.app.running import leader_of
from distctl.app.session import Session
from distctl.app.watching import Watch
from distctl.policy.standing import standing
from distctl.policy.tops import Memory, Row, begin, looked

MINUTES = 6  # of older load that are read: five are drawn, and a rate needs the minute before


class Picture:
    """Looks when it is asked to, and remembers what rates need. `led`: a controller led at the last look."""

    def __init__(self, session: Session, watch: Watch) -> None:
        self._session, self._watch = session, watch
        since = session.clock.now() - 60 * MINUTES
        self._memory: Memory = begin(session.store.loads(since=since))
        self.led = False

    def look(self) -> tuple[Row, ...]:
        """Every row as it is now. Raises StoreError."""
        record = self._session.store.load()
        self._session.remember(record)
        self.led = leader_of(self._session) is not None
        seen = self._watch.look(record)
        stands = standing(self._session.spec, record, seen)
        self._memory, rows = looked(self._memory, stands, seen)
        return rows


@contextmanager
def picture(session: Session) -> Iterator[Picture]:
    """A picture, until the end of the block."""
    with closing(Watch(session)) as watch:
        yield Picture(session, watch)
