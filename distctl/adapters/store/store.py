"""The record in a database: what `ports.Store`, `ports.History` and `ports.Leadership` ask for.

Nothing is opened before the first use, so that a command that needs no record costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection, Engine, Table

from distctl.adapters.store import leases, place, reads, schema, server, writes
from distctl.adapters.store.copying import copy
from distctl.adapters.store.engine import (
    HASTE,
    OPENING,
    PATIENCE,
    connect,
    file_of,
    instant,
    name_of,
    parse,
    read,
    use_write_ahead_log,
    write,
)
from distctl.adapters.store.migrate import SHIPPED, Migrations, bring_up_to_date, version
from distctl.adapters.store.place import DAMAGED_HINT
from distctl.cluster.hours import Hour
from distctl.cluster.lease import LEADING, check
from distctl.cluster.record import Change, Errand, Event, Lease, Load, OperationEntry, Record, Revision
from distctl.cluster.snapshot import Instant
from distctl.errors import StoreDamaged, StoreError
from distctl.ports import Clock

KEEP = 100_000  # events, and operations, that are kept
T = TypeVar("T")


class SqlStore:
    """The record at a SQLAlchemy URL without a password: `sqlite:////var/prod.db`, `postgresql://u@host/db`.

    `cluster` is written into a new record and compared with that of an old one; "" takes any. `password` is
    called at each connection to a server. A lease expires by the clock of the server, or by `clock` where
    the record is a file. No record is begun while there is a file `former`. Safe to use from threads.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        cluster: str = "",
        password: Callable[[], str] | None = None,
        migrations: Migrations = SHIPPED,
        keep: int = KEEP,
        former: Path | None = None,
    ) -> None:
        self._url = parse(url)
        self._clock, self._cluster, self._password = clock, cluster, password
        self._migrations, self._keep, self._former = migrations, keep, former
        self._engine: Engine | None = None
        self._opening = Lock()
        self._last: tuple[reads.Edition, Record] | None = None  # what was read last

    def open(self) -> None:
        """Make or migrate the database if need be. Every other method does it too at its first use.

        Raises StoreError, StoreDamaged, StoreNewer, LeaseHeld (an older record that is in use).
        """
        self._opened()

    def become(self, other: SqlStore) -> None:
        """Begin as a copy of another record. Raises Refused when there is a record already, StoreError."""
        source, target = other._opened(), self._reach()
        try:
            copy(source, target, self._migrations)
        finally:
            target.dispose()

    def close(self) -> None:
        """Let go of all connections; the next use opens again."""
        with self._opening:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def load(self) -> Record:
        """The record as it is now: the very object of the last call while nobody changed it.

        Raises StoreError.
        """

        def work(connection: Connection) -> tuple[reads.Edition, Record]:
            edition, last = reads.edition(connection), self._last
            return last if last and last[0] == edition else (edition, reads.record(connection))

        self._last = found = self._read(work)
        return found[1]

    def serial(self) -> int:
        """How many commits have changed what is wanted, to be compared with `Record.serial`: one small query.

        Raises StoreError.
        """
        return self._read(reads.serial)

    def commit(self, token: int | None, changes: Sequence[Change], *, patience: float = PATIENCE) -> None:
        """Write changes in one transaction: all or none. `token` is the lease's; None for observations alone.

        A server that is away is waited for, `patience` seconds at most.

        Raises LeaseHeld when the token is no longer the newest, StoreError.
        """

        def work(connection: Connection) -> None:
            check(leases.held(connection), token)
            writes.write(connection, changes)
            writes.prune(connection, changes, self._keep)

        write(self._opened(), work, patience=patience)

    def acquire(self, owner: str, reason: str, *, seconds: float) -> Lease:
        """Take the lease for `seconds`, or renew it for the same owner: one process, such as `ann@ops:4711`.

        Its times are of the store's own clock. Raises LeaseHeld with who holds it, since when and why;
        StoreError.
        """

        def work(connection: Connection) -> Lease:
            return leases.take(connection, owner, reason, seconds=seconds, now=self._now(connection))

        return write(self._opened(), work)

    def renew(self, lease: Lease, *, seconds: float) -> Lease:
        """Hold the lease for `seconds` from now. Raises LeaseHeld if it went to somebody else, StoreError."""

        def work(connection: Connection) -> Lease:
            check(leases.held(connection), lease.token)
            now = self._now(connection)
            return leases.take(connection, lease.owner, lease.reason, seconds=seconds, now=now)

        return write(self._opened(), work)

    def release(self, lease: Lease) -> None:
        """Give the lease back; one that somebody else holds by now is left alone. Raises StoreError."""
        write(self._opened(), lambda connection: leases.give_back(connection, lease))

    def holder(self) -> Lease | None:
        """Who holds the lease now; None if nobody does or it has expired. Raises StoreError."""
        return self._read(lambda connection: self._held(connection, schema.lease))

    def lead(self, owner: str, *, seconds: float) -> Lease:
        """Take the leadership of controllers for `seconds`, or renew it. Raises LeaseHeld, StoreError.

        Who asks does so each second, and is told at once that the server is away.
        """

        def work(connection: Connection) -> Lease:
            now = self._now(connection)
            return leases.take(connection, owner, LEADING, seconds=seconds, now=now, table=schema.leader)

        return write(self._opened(), work, patience=HASTE)

    def stand_down(self, leadership: Lease) -> None:
        """Give the leadership back, unless somebody else has it by now. Raises StoreError."""
        write(self._opened(), lambda connection: leases.give_back(connection, leadership, schema.leader))

    def leader(self) -> Lease | None:
        """Who leads now; None if nobody does or it has expired. Raises StoreError."""
        return self._read(lambda connection: self._held(connection, schema.leader))

    def events(
        self, *, since: Instant = 0.0, limit: int = 1000, subject: str | None = None
    ) -> Sequence[Event]:
        """The newest `limit` events at or after `since`, oldest first; of one subject unless that is None.

        Raises StoreError.
        """
        return self._read(lambda connection: reads.events(connection, since, limit, subject))

    def history(self, *, limit: int = 100) -> Sequence[Revision]:
        """The newest `limit` revisions of the spec, oldest first. Raises StoreError."""
        return self._read(lambda connection: reads.history(connection, limit))

    def revision(self, number: int) -> Revision | None:
        """The spec's revision of that number; None if there is none. Raises StoreError."""
        return self._read(lambda connection: reads.revision(connection, number))

    def operations(self, plan: str | None = None) -> Sequence[OperationEntry]:
        """The operations of a plan in order; None is the plan that was begun last. Raises StoreError."""
        return self._read(lambda connection: reads.operations(connection, plan))

    def errand(self, id: str) -> Errand | None:
        """The errand of that id, open or not; None if there is none any more. Raises StoreError."""
        return self._read(lambda connection: reads.errand(connection, id))

    def loads(self, *, since: Instant = 0.0) -> Sequence[Load]:
        """Every load that is kept, at or after `since`, oldest first. Raises StoreError."""
        return self._read(lambda connection: reads.loads(connection, since))

    def hours(self, *, since: Instant = 0.0, model: str | None = None) -> Sequence[Hour]:
        """The hours that are kept and began at or after `since`, oldest first; of one model unless None.

        Raises StoreError.
        """
        return self._read(lambda connection: reads.hours(connection, since, model))

    def _held(self, connection: Connection, table: Table) -> Lease | None:
        found = leases.held(connection, table)
        return found if found.owner and found.expires > self._now(connection) else None

    def _now(self, connection: Connection) -> Instant:
        return instant(connection, self._clock)

    def _read(self, work: Callable[[Connection], T]) -> T:
        engine = self._opened()
        try:
            return read(engine, work)
        except (ValueError, TypeError) as error:  # a row that no distctl wrote
            raise StoreDamaged(
                f"{name_of(engine.url)}: the record cannot be understood: {error}", hint=DAMAGED_HINT
            ) from error

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _open(self) -> Engine:
        engine = self._reach()
        try:
            self._refuse_behind(engine)
            bring_up_to_date(engine, self._migrations, cluster=self._cluster, clock=self._clock)
            self._compare_cluster(engine)
            if file_of(self._url):
                use_write_ahead_log(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _reach(self) -> Engine:
        """The database, found fit for a record and not changed yet."""
        path = file_of(self._url)
        if path:
            place.prepare(path)
            place.writable(path)
            place.recognise(path)
        engine = connect(self._url, self._password)
        try:
            if path:
                _examine(engine)
            else:
                name = name_of(engine.url)
                read(engine, lambda connection: server.refuse_old(connection, name), patience=OPENING)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _refuse_behind(self, engine: Engine) -> None:
        """No new record is begun while an earlier one lies in its file: history and keys would be lost."""
        former = self._former
        if former and former != file_of(self._url) and former.exists() and read(engine, version) is None:
            raise StoreError(
                f"{name_of(engine.url)}: there is no record yet, and this cluster's lies in {former}",
                hint="`distctl record copy` brings it there; or move that file away to begin with what the "
                "nodes carry, without history, keys and pins",
            )

    def _compare_cluster(self, engine: Engine) -> None:
        found = read(engine, reads.cluster)
        if self._cluster and found and found != self._cluster:
            raise StoreError(
                f"{name_of(engine.url)}: this is the record of the cluster {found}, not of {self._cluster}",
                hint="set `store:` in the inventory to another file or database",
            )


def _examine(engine: Engine) -> None:
    """Refuse a damaged file before anything is written to it."""
    verdict = read(engine, lambda connection: connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    if verdict != "ok":
        raise StoreDamaged(f"{name_of(engine.url)}: the record is damaged: {verdict}", hint=DAMAGED_HINT)
