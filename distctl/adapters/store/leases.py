"""The lease's one row: read, decided on by `cluster.lease`, and written in the transaction that read it."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from distctl.adapters.store.schema import lease as table
from distctl.cluster.lease import FREE, give_up, grant
from distctl.cluster.record import Lease
from distctl.cluster.snapshot import Instant
from distctl.errors import StoreDamaged


def _row(lease: Lease) -> dict[str, str | int | float]:
    return {
        "owner": lease.owner,
        "token": lease.token,
        "expires": lease.expires,
        "reason": lease.reason,
        "since": lease.since,
    }


FIRST_ROW = {"one": 1, **_row(FREE)}


def held(connection: Connection) -> Lease:
    """The lease as it stands; its owner is "" when nobody holds it."""
    row = connection.execute(select(table)).mappings().first()
    if row is None:
        raise StoreDamaged("the record's lease is missing", hint="put a backup of the record in its place")
    return Lease(**{name: value for name, value in row.items() if name != "one"})


def take(connection: Connection, owner: str, reason: str, *, seconds: float, now: Instant) -> Lease:
    """Take or renew the lease. Raises LeaseHeld."""
    lease = grant(held(connection), owner, reason, seconds=seconds, now=now)
    connection.execute(update(table).values(_row(lease)))
    return lease


def give_back(connection: Connection, lease: Lease) -> None:
    """Free the lease, unless somebody else holds it by now."""
    connection.execute(update(table).values(_row(give_up(held(connection), lease))))
