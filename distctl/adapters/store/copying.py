"""A whole record from one database to another, such as from the file of the first days to a team's server."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text, update

from distctl.adapters.store import leases, schema
from distctl.adapters.store.engine import name_of, read, write
from distctl.adapters.store.migrate import Migrations, upgrade, version
from distctl.errors import Refused

ROWS = 1000  # at once


def copy(source: Engine, target: Engine, migrations: Migrations) -> None:
    """Make a record of `target`, whole or not at all. `source` has the newest schema and is left as it is.

    Nobody holds the copy's lease, and its token goes on from the source's. Raises Refused when there is a
    record already, StoreError.
    """

    def put(connection: Connection) -> None:
        if version(connection) is not None:
            raise Refused(
                f"{name_of(target.url)}: there is a record already; nothing was copied",
                hint="see it with `distctl history`; to copy all the same, empty that database first",
            )
        upgrade(connection, migrations)
        read(source, lambda found: _tables(found, connection))
        for table in (schema.lease, schema.leader):
            connection.execute(update(table).values(leases.free(leases.held(connection, table))))

    write(target, put, exclusive=False, named=False)


def _tables(found: Connection, into: Connection) -> None:
    for table in schema.metadata.sorted_tables:
        into.execute(delete(table))  # what the migrations put there
        rows = found.execution_options(yield_per=ROWS).execute(select(table)).mappings()
        for part in rows.partitions():
            into.execute(insert(table), [dict(row) for row in part])
        if into.dialect.name == "postgresql" and table.autoincrement_column is not None:
            _count_on(into, table)


def _count_on(connection: Connection, table: Table) -> None:
    """Numbers that the server gives out go on after those that were copied."""
    newest = connection.execute(select(func.max(table.c.id))).scalar()
    if newest is not None:
        sequence = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :newest)")
        connection.execute(sequence, {"name": table.name, "newest": newest})
