"""From whatever schema is found to ours: made when new, migrated when older, refused when newer or foreign.

Migrating an older record takes the lease, so that nobody works with it meanwhile, and leaves a copy of the
file beside it. The table `lease` therefore never changes. The common case, a schema that is ours, costs one
query and does not import Alembic.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, insert, inspect, text

from distctl.adapters.store import leases, schema
from distctl.adapters.store.engine import OPENING, file_of, instant, name_of, read, write
from distctl.cluster.record import Lease
from distctl.errors import StoreError, StoreNewer
from distctl.ports import Clock

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "distctl_schema"
LEASE_SECONDS = 300.0  # a migration of a full record takes seconds


@dataclass(frozen=True, slots=True)
class Migrations:
    """Where the migrations are (a path, or package:folder) and which is the newest."""

    location: str
    head: str


SHIPPED = Migrations("distctl.adapters.store:migrations", "0010")


def bring_up_to_date(engine: Engine, migrations: Migrations, *, cluster: str, clock: Clock) -> None:
    """Make the database's schema the newest of `migrations`.

    Raises StoreNewer, StoreError (somebody else's database), LeaseHeld (an older record is in use).
    """
    found = read(engine, version, patience=OPENING)
    if found == migrations.head:
        return
    if found is None:
        write(engine, lambda c: _create(c, migrations, cluster, clock), exclusive=False, named=False)
    elif found in known(migrations):
        _migrate(engine, migrations, found, clock)
    else:
        raise StoreNewer(
            f"{name_of(engine.url)}: the record was written by a newer distctl (schema {found}, ours is "
            f"{migrations.head}); it was left as it is",
            hint="pip install --upgrade distctl",
        )


def version(connection: Connection) -> str | None:
    """The schema's revision; None in a database without any of our tables.

    Raises StoreError when the tables are somebody else's.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()  # noqa: S608
        return str(row[0]) if row else None
    foreign = tables if connection.dialect.name == "sqlite" else tables & set(schema.metadata.tables)
    if foreign:
        raise StoreError(
            f"{name_of(connection.engine.url)}: this database is not a record of distctl: "
            f"it has the table {min(foreign)}",
            hint="set `store:` in the inventory to another file or database",
        )
    return None


def known(migrations: Migrations) -> frozenset[str]:
    """Every revision that these migrations can start from."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(migrations))
    return frozenset(script.revision for script in scripts.walk_revisions())


def upgrade(connection: Connection, migrations: Migrations) -> None:
    """Run what is missing inside the connection's transaction."""
    from alembic import command

    config = _config(migrations)
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, migrations.head)


def _config(migrations: Migrations) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", migrations.location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _create(connection: Connection, migrations: Migrations, cluster: str, clock: Clock) -> None:
    if version(connection) is not None:  # another process was quicker
        return
    upgrade(connection, migrations)
    identity = {"id": uuid.uuid4().hex, "cluster": cluster, "generation": 0}
    connection.execute(insert(schema.meta), {"one": 1, **identity, "created": instant(connection, clock)})
    connection.execute(insert(schema.lease), leases.FIRST_ROW)


def _migrate(engine: Engine, migrations: Migrations, found: str, clock: Clock) -> None:
    owner = f"migration@{socket.gethostname()} (pid {os.getpid()})"

    def take(connection: Connection) -> Lease:
        now = instant(connection, clock)
        return leases.take(connection, owner, "migrating the record", seconds=LEASE_SECONDS, now=now)

    def go_up(connection: Connection) -> None:
        if version(connection) == found:
            upgrade(connection, migrations)

    lease = write(engine, take, named=False)
    try:
        path = file_of(engine.url)
        if path:
            back_up(path, path.with_name(f"{path.name}.bak-{found}"))
        write(engine, go_up, named=False)
    finally:
        write(engine, lambda connection: leases.give_back(connection, lease), named=False)


def back_up(path: Path, copy: Path) -> None:
    """Copy a record in use to `copy`, whole or not at all, readable by its owner alone. Raises StoreError."""
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        part.replace(copy)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{copy}: no backup could be written, so the record was not migrated: {error}",
            hint="make room on its disk, then run the command again",
        ) from error
