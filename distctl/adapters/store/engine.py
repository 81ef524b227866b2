"""The connection to the record's database, and its errors in our words.

A transaction that writes says so before it begins: SQLite then takes its write lock at once instead of
failing half way, and any other database locks the one row of `meta`, so that there is one writer at a time.
One that only reads sees one state of the whole database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from distctl.adapters.store.place import DAMAGED_HINT
from distctl.adapters.store.schema import meta
from distctl.errors import StoreDamaged, StoreError

BUSY_SECONDS = 10.0  # how long to wait for another writer; ours take milliseconds
WRITES = {"distctl_writes": True}


def parse(url: str) -> URL:
    """The URL of a store: `sqlite:///PATH`, or `postgresql://...`, which is spoken by psycopg.

    Raises StoreError for anything else.
    """
    hint = "write sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError("the store's URL cannot be read", hint=hint) from error
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite" or file_of(parsed) is None:
        raise StoreError(f"the record cannot be kept in {parsed.render_as_string()}", hint=hint)
    return parsed


def file_of(url: URL) -> Path | None:
    """The file of a SQLite URL; None for a database that is not in a file."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def connect(url: URL, password: Callable[[], str] | None) -> Engine:
    """An engine that connects when it is first used; the password is read then and kept nowhere."""
    path = file_of(url)
    arguments = {"timeout": BUSY_SECONDS, "isolation_level": None} if path else {}
    try:
        engine = create_engine(url, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            "PostgreSQL's client library is not installed", hint="pip install 'distctl[postgres]'"
        ) from error
    if path:
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif password is not None:
        _ask_for_password(engine, password)
    return engine


def _ask_for_password(engine: Engine, password: Callable[[], str]) -> None:
    @event.listens_for(engine, "do_connect")
    def add(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters["password"] = password()


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # FULL: what a step needs to be resumed is on the disk before the step begins.
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("distctl_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def use_write_ahead_log(engine: Engine) -> None:
    """Let readers go on while one writes. The file remembers it, so that it is changed once.

    Only a process that is alone with the file can change it, and SQLite does not wait for that by itself:
    several that make a record at once take turns here. Raises StoreError.
    """
    turns = Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        wait=wait_random(0.005, 0.05),
        stop=stop_after_delay(BUSY_SECONDS),
        reraise=True,
    )
    with translated(engine.url), closing(engine.raw_connection()) as raw:
        cursor = raw.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            turns(cursor.execute, "PRAGMA journal_mode = WAL")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state and changes nothing. Raises StoreError."""
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with translated(engine.url), _connection(engine, options) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine, *, exclusive: bool = True) -> Iterator[Connection]:
    """A transaction that writes, and is undone by any exception. Raises StoreError.

    `exclusive` locks the row of `meta`: False while the tables are still being made.
    """
    with translated(engine.url), _connection(engine, WRITES) as connection, connection.begin():
        if exclusive:
            connection.execute(select(meta.c.id).with_for_update())
        yield connection


def _connection(engine: Engine, options: dict[str, Any]) -> Connection:
    return engine.connect().execution_options(**options)


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn the library's exceptions into ours."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise in_our_words(error, url) from error
    except UnicodeEncodeError as error:
        raise StoreError(f"{name_of(url)}: a text cannot be stored: {error}") from error


def name_of(url: URL) -> str:
    """How messages call the database: the file's path, or the URL without its password."""
    return str(file_of(url) or url.render_as_string(hide_password=True))


def in_our_words(error: SQLAlchemyError | sqlite3.Error, url: URL) -> StoreError:
    """What a database error means for an operator."""
    name = name_of(url)
    original = error.orig if isinstance(error, DBAPIError) else error
    # The driver gives the bare class to SQLITE_CORRUPT and SQLITE_NOTADB alone, its subclasses to the rest.
    if type(original) is sqlite3.DatabaseError:
        return StoreDamaged(f"{name}: the record is damaged: {original}", hint=DAMAGED_HINT)
    problem = next(iter(str(original).splitlines()), type(error).__name__)
    if file_of(url):
        hint = "see that its disk has room and that this user may write file and folder"
    else:
        hint = "see that the database server runs, is reachable from here and knows this user"
    return StoreError(f"{name}: the record cannot be read or written: {problem}", hint=hint)
