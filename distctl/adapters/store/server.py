"""What concerns a PostgreSQL server: how it is connected to, what it must be, and what its errors mean.

Whatever the URL's own parameters say (`?sslmode=verify-full&sslrootcert=...`) wins over what is set here.
Nothing depends on the session, so that a pooler between (pgbouncer by transactions) does no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from distctl.adapters.store.schema import writes
from distctl.errors import StoreError

OLDEST = 13  # the oldest that PostgreSQL itself mended in 2025
NAMES_SECONDS = 600.0  # how long the names of writes are kept: nobody tries again for that long
POOL = {"pool_size": 2, "max_overflow": 8, "pool_timeout": 10.0, "pool_recycle": 1800}

# https://www.postgresql.org/docs/current/libpq-connect.html; all in seconds but tcp_user_timeout.
# A link that was cut is noticed within 20 s; automatic prepared statements would break with poolers.
ARGUMENTS: dict[str, Any] = {
    "application_name": "distctl",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "prepare_threshold": None,
}
# Our statements take milliseconds. A process that was stopped in the middle of a transaction is cut off by
# the last of these, before whoever waits for it gives up.
TIMEOUTS = (
    "SET LOCAL statement_timeout = '15s'; SET LOCAL lock_timeout = '10s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '8s'"
)
CREATING = 0x64697374  # "dist": the advisory lock of whoever makes the tables


def arguments(url: URL) -> dict[str, Any]:
    """What to tell the driver beside the URL."""
    return {name: value for name, value in ARGUMENTS.items() if name not in url.query}


def refuse_old(connection: Connection, name: str) -> None:
    """Raise StoreError when the server is older than what we need."""
    found = connection.dialect.server_version_info or (0,)
    if found < (OLDEST,):
        raise StoreError(
            f"{name}: this PostgreSQL server has version {'.'.join(map(str, found))}, which is too old",
            hint=f"upgrade it to PostgreSQL {OLDEST} or newer, or set `store:` to another server",
        )


def clock(connection: Connection) -> float:
    """The server's own time, in seconds since the epoch.

    Not `now()`: that is the beginning of the transaction, before it waited for its turn.
    """
    found = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
    return float(found)


def keep(connection: Connection, name: str) -> None:
    """Leave the name of the write that goes on, and forget old ones.

    A transaction's own number would not do: the server gives it out again after a crash.
    """
    now = clock(connection)
    connection.execute(delete(writes).where(writes.c.at < now - NAMES_SECONDS))
    connection.execute(insert(writes), {"name": name, "at": now})


def kept(connection: Connection, name: str) -> bool:
    """Whether a write of that name was committed."""
    return connection.execute(select(writes).where(writes.c.name == name)).first() is not None


# --- errors -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error means. `matches`: the start of an SQLSTATE, or a pattern in the driver's text."""

    matches: str
    says: str
    hint: str
    passes: bool = False  # by itself, within seconds: worth another try


REACH = "see that the server runs and is reachable from here, then run the command again"
CROWDED = ("the server has no connection left", "raise max_connections, or see who uses them", True)
AWAY = ("the server is going down or coming up", REACH, True)
SQLSTATES = (
    Trouble("53100", "the server's disk is full", "make room on it; nothing of this write was kept"),
    Trouble("53300", *CROWDED),
    Trouble("25006", "the server takes no writes", "it is a standby or set read-only: name the primary"),
    Trouble("42501", "this user may not", "GRANT it USAGE and CREATE on the schema, or make it the owner"),
    Trouble("55P03", "another write has gone on for 10 s", "see pg_stat_activity for who holds the lock"),
    Trouble("57014", "the server took more than 15 s", "see pg_stat_activity for what keeps it busy"),
    Trouble("25P03", "this process was stopped in the middle of a write", "nothing was kept: run it again"),
    Trouble("40", "another write came between", "run the command again", True),
    Trouble("08", "the connection was lost", REACH, True),
    Trouble("57P", *AWAY),
)
TEXTS = (
    Trouble(
        "invalid connection option|invalid .* value|bad value for",
        "the URL has a parameter that the driver does not take",
        "see what stands after `?` in `store.url`",
    ),
    Trouble(
        "password authentication failed|no password supplied|empty password",
        "the server refuses the password",
        "see `store: {password: ...}` in the inventory",
    ),
    Trouble(
        r'database ".*" does not exist',
        "there is no such database",
        "make it: createdb -O USER DATABASE, on the server",
    ),
    Trouble(
        r'role ".*" does not exist|pg_hba\.conf|peer authentication failed',
        "the server does not let this user in",
        "make the user with createuser, and let it in by a line in pg_hba.conf",
    ),
    Trouble(
        r"permission denied for database|CONNECT privilege",
        "this user may not use the database",
        "GRANT CONNECT ON DATABASE, or make it the owner",
    ),
    Trouble(
        r"certificate|support SSL|sslmode",
        "no encrypted connection as `sslmode` in the URL asks for it",
        "see sslmode and sslrootcert in `store.url`, and ssl in the server's postgresql.conf",
    ),
    Trouble(
        r"translate host name|Name or service not known|resolve",
        "the server's name is not known",
        "see the host in `store.url`",
    ),
    Trouble("starting up|shutting down|recovery mode", *AWAY),
    Trouble("too many (clients|connections)|remaining connection slots", *CROWDED),
)
LOST = Trouble("", "the server cannot be reached", REACH, True)
OTHER = Trouble("", "the record cannot be read or written", "see the server's log")


def trouble(error: SQLAlchemyError) -> Trouble:
    """What an error of the driver or of the pool means."""
    if not isinstance(error, DBAPIError):
        return OTHER
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return next((known for known in SQLSTATES if state.startswith(known.matches)), OTHER)
    otherwise = LOST if isinstance(error, OperationalError) else OTHER
    said = str(error.orig)
    return next((known for known in TEXTS if re.search(known.matches, said, re.IGNORECASE)), otherwise)


def in_words(error: SQLAlchemyError, name: str) -> StoreError:
    """An error for an operator: what it means, what the server said, what to do. No password is in it."""
    known = trouble(error)
    original = error.orig if isinstance(error, DBAPIError) else error
    said = next((line.strip() for line in str(original).splitlines() if line.strip()), type(error).__name__)
    return StoreError(f"{name}: {known.says}: {said}", hint=known.hint)
