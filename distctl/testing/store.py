"""A clock that is set by hand, and a record in memory that obeys the same two functions as the real one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from distctl.cluster.hours import joined, lasts
from distctl.cluster.lease import FREE, LEADING, check, give_up, grant
from distctl.cluster.record import (
    AddEvent,
    AddHour,
    AddLoad,
    Change,
    DropNode,
    Errand,
    Event,
    Hour,
    Lease,
    Load,
    OperationEntry,
    Record,
    Revision,
    SetErrand,
    SetOperation,
    SetRevision,
    apply,
)
from distctl.cluster.serial import counts
from distctl.cluster.snapshot import Instant
from distctl.ports import Clock
from distctl.testing.calls import Calls


class FakeClock:
    """Time that passes only when somebody sleeps, or when a test calls `advance`. Instants in seconds."""

    def __init__(self, now: Instant = 1_000_000.0) -> None:
        self._now = now
        self._lock = Lock()

    def now(self) -> Instant:
        """The instant it is set to."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Return at once, that much later."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Set the clock forward, or back."""
        with self._lock:
            self._now += seconds


class MemoryStore:
    """The record in memory: `ports.Store` and `ports.History`. Lost with the object, never with a `Crash`."""

    def __init__(
        self, *, clock: Clock | None = None, record: Record | None = None, calls: Calls | None = None
    ) -> None:
        self.record = record or Record(id=uuid.uuid4().hex)
        self.lease = FREE
        self.leadership = FREE
        self._clock = clock or FakeClock()
        self._calls = calls or Calls()
        self._events: list[Event] = []
        self._loads: list[Load] = []
        self._hours: dict[tuple[str, str, Instant], Hour] = {}
        self._revisions: dict[int, Revision] = {}
        self._operations: dict[str, dict[int, OperationEntry]] = {}
        self._errands: dict[str, Errand] = {}

    def load(self) -> Record:
        """The record as it is now."""
        with self._calls.look("store: load"):
            return self.record

    def serial(self) -> int:
        """How many commits have changed what is wanted."""
        with self._calls.look("store: serial"):
            return self.record.serial

    def commit(self, token: int | None, changes: Sequence[Change]) -> None:
        """Write changes, all or none. Raises LeaseHeld when the token is no longer the newest."""
        with self._calls.change("store: commit " + ", ".join(type(change).__name__ for change in changes)):
            check(self.lease, token)
            record = self.record
            for change in changes:
                record = apply(record, change)
            self.record = replace(record, serial=record.serial + 1) if counts(changes) else record
            for change in changes:
                self._keep(change)
            if begins := [change.hour.at for change in changes if isinstance(change, AddHour)]:
                self._hours = {k: hour for k, hour in self._hours.items() if lasts(hour, max(begins))}

    def _keep(self, change: Change) -> None:
        if isinstance(change, AddEvent):
            self._events.append(change.event)
        elif isinstance(change, AddLoad):
            self._loads.append(change.load)
        elif isinstance(change, AddHour):
            self._hours[change.hour.key] = joined(self._hours.get(change.hour.key), change.hour)
        elif isinstance(change, DropNode):
            self._hours = {key: hour for key, hour in self._hours.items() if hour.node != change.node}
        elif isinstance(change, SetRevision):
            self._revisions[change.revision.number] = change.revision
        elif isinstance(change, SetOperation):
            self._operations.setdefault(change.operation.plan, {})[change.operation.number] = change.operation
        elif isinstance(change, SetErrand):
            self._errands[change.errand.id] = change.errand

    def acquire(self, owner: str, reason: str, *, seconds: float) -> Lease:
        """Take the lease, or renew it for the same owner. Raises LeaseHeld."""
        renewal = self.lease.owner == owner  # comes by the clock, so it is not counted as a change
        with (self._calls.look if renewal else self._calls.change)("store: acquire"):
            self.lease = grant(self.lease, owner, reason, seconds=seconds, now=self._clock.now())
            return self.lease

    def renew(self, lease: Lease, *, seconds: float) -> Lease:
        """Hold the lease for `seconds` from now. Raises LeaseHeld if it went to somebody else."""
        with self._calls.look("store: renew"):
            check(self.lease, lease.token)
            self.lease = grant(self.lease, lease.owner, lease.reason, seconds=seconds, now=self._clock.now())
            return self.lease

    def release(self, lease: Lease) -> None:
        """Give the lease back; one that somebody else holds by now is left alone."""
        with self._calls.change("store: release"):
            self.lease = give_up(self.lease, lease)

    def holder(self) -> Lease | None:
        """Who holds the lease now; None if nobody does or it has expired."""
        with self._calls.look("store: holder"):
            return self.lease if self.lease.owner and self.lease.expires > self._clock.now() else None

    def lead(self, owner: str, *, seconds: float) -> Lease:
        """Take the leadership of controllers, or renew it for the same owner. Raises LeaseHeld."""
        with self._calls.look("store: lead"):
            self.leadership = grant(self.leadership, owner, LEADING, seconds=seconds, now=self._clock.now())
            return self.leadership

    def stand_down(self, leadership: Lease) -> None:
        """Give the leadership back; one that somebody else has by now is left alone."""
        with self._calls.change("store: stand down"):
            self.leadership = give_up(self.leadership, leadership)

    def leader(self) -> Lease | None:
        """Who leads now; None if nobody does or it has expired."""
        with self._calls.look("store: leader"):
            found = self.leadership
            return found if found.owner and found.expires > self._clock.now() else None

    def events(
        self, *, since: Instant = 0.0, limit: int = 1000, subject: str | None = None
    ) -> Sequence[Event]:
        """The newest `limit` events at or after `since`, oldest first; of one subject unless that is None."""
        with self._calls.look("store: events"):
            found = sorted(
                (e for e in self._events if e.at >= since and subject in (None, e.subject)),
                key=lambda event: event.at,
            )
            return tuple(found[-limit:] if limit else ())

    def history(self, *, limit: int = 100) -> Sequence[Revision]:
        """The newest `limit` revisions of the spec, oldest first."""
        with self._calls.look("store: history"):
            found = [revision for _, revision in sorted(self._revisions.items())]
            return tuple(found[-limit:] if limit else ())

    def revision(self, number: int) -> Revision | None:
        """The spec's revision of that number; None if there is none."""
        with self._calls.look("store: revision"):
            return self._revisions.get(number)

    def operations(self, plan: str | None = None) -> Sequence[OperationEntry]:
        """The operations of a plan in order; None is the plan that was begun last."""
        with self._calls.look("store: operations"):
            wanted = plan if plan is not None else next(reversed(self._operations), "")
            return tuple(entry for _, entry in sorted(self._operations.get(wanted, {}).items()))

    def errand(self, id: str) -> Errand | None:
        """The errand of that id, open or not; None if there is none."""
        with self._calls.look("store: errand"):
            return self._errands.get(id)

    def loads(self, *, since: Instant = 0.0) -> Sequence[Load]:
        """Every load that is kept, at or after `since`, oldest first."""
        with self._calls.look("store: loads"):
            return tuple(sorted((x for x in self._loads if x.at >= since), key=lambda load: load.at))

    def hours(self, *, since: Instant = 0.0, model: str | None = None) -> Sequence[Hour]:
        """The hours that are kept and began at or after `since`, oldest first; of one model unless None."""
        with self._calls.look("store: hours"):
            found = (h for h in self._hours.values() if h.at >= since and model in (None, h.model))
            return tuple(sorted(found, key=lambda hour: (hour.at, hour.node, hour.model)))
