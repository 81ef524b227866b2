"""The one row of the lease, and of the leadership: read, decided on by `cluster.lease`, and written.

All in one transaction. Who leads is kept like a lease of its own, beside the one for each pass.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, select, update

from distctl.adapters.store import schema
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


def free(lease: Lease) -> dict[str, str | int | float]:
    """The row of a lease that nobody holds, and whose next token is a new one."""
    return _row(give_up(lease, lease))


def held(connection: Connection, table: Table = schema.lease) -> Lease:
    """The lease as it stands; its owner is "" when nobody holds it."""
    row = connection.execute(select(table)).mappings().first()
    if row is None:
        raise StoreDamaged(
            f"the record's {table.name} is missing", hint="put a backup of the record in its place"
        )
    return Lease(**{name: value for name, value in row.items() if name != "one"})


def take(
    connection: Connection,
    owner: str,
    reason: str,
    *,
    seconds: float,
    now: Instant,
    table: Table = schema.lease,
) -> Lease:
    """Take or renew it. Raises LeaseHeld."""
    lease = grant(held(connection, table), owner, reason, seconds=seconds, now=now)
    connection.execute(update(table).values(_row(lease)))
    return lease


def give_back(connection: Connection, lease: Lease, table: Table = schema.lease) -> None:
    """Free it, unless somebody else holds it by now."""
    connection.execute(update(table).values(_row(give_up(held(connection, table), lease))))
