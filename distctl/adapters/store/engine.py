"""The connection to the record's database, and its transactions.

A transaction that writes says so before it begins: SQLite then takes its write lock at once instead of
failing half way, and PostgreSQL locks the one row of `meta`, so that there is one writer at a time. It is
READ COMMITTED there, whatever the server's default: what is read after the lock is what the writer before
left, and nothing fails for being too late, as it would when serializable. One that only reads sees one state
of the whole database.

A server that is away for a moment is waited for. A write whose commit was never answered is not done twice:
each leaves its name in the transaction, by which the next try finds it.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
)

from distctl.adapters.store import server
from distctl.adapters.store.place import DAMAGED_HINT
from distctl.adapters.store.schema import meta
from distctl.cluster.snapshot import Instant
from distctl.errors import StoreDamaged, StoreError
from distctl.ports import Clock

BUSY_SECONDS = 10.0  # how long to wait for another writer; ours take milliseconds
# How long a server may be away, to be restarted say: less than a lease, so that its holder still has it then.
PATIENCE = 20.0
OPENING = 5.0  # seconds, for one that was never reached: a wrong address is no restart
HASTE = 0.5  # seconds, for who asks again each second: a connection that had ended is made anew, no more
WRITES = {"distctl_writes": True}

T = TypeVar("T")


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
    if file_of(url):
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(url, connect_args=server.arguments(url), **server.POOL)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            "PostgreSQL's client library is not installed", hint="pip install 'distctl[postgres]'"
        ) from error
    event.listen(engine, "begin", _begin_on_server)
    if password is not None:
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


def _begin_on_server(connection: Connection) -> None:
    connection.exec_driver_sql(server.TIMEOUTS)


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


def read(engine: Engine, work: Callable[[Connection], T], *, patience: float = PATIENCE) -> T:
    """What `work` finds in a transaction that sees one state and changes nothing. Raises StoreError."""
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}

    def once() -> T:
        with _connection(engine, options) as connection, connection.begin():
            return work(connection)

    return _patiently(engine, once, patience)


def write(
    engine: Engine,
    work: Callable[[Connection], T],
    *,
    exclusive: bool = True,
    named: bool = True,
    patience: float = PATIENCE,
) -> T:
    """What `work` gives back in a transaction that writes, and that is undone by any exception.

    `work` is called again when the server was lost. `exclusive` locks the row of `meta`: False while the
    tables are still being made. `named` keeps a name of the write, so that it is done once whatever is lost:
    False while the schema is not the newest, for what can be done twice. Raises StoreError.
    """
    on_server = engine.dialect.name == "postgresql"
    return _patiently(engine, _Write(engine, work, exclusive, named and on_server), patience)


@dataclass(slots=True)
class _Write(Generic[T]):
    """One write, to be tried until it is certain what became of it."""

    engine: Engine
    work: Callable[[Connection], T]
    exclusive: bool
    named: bool
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    results: list[T] = field(default_factory=list)  # the last of transactions whose commit may have been sent

    def __call__(self) -> T:
        options = WRITES if self.engine.dialect.name == "sqlite" else {"isolation_level": "READ COMMITTED"}
        with _connection(self.engine, options) as connection, connection.begin():
            # A try before that the server is still at has the turn: after it, what it kept can be seen.
            _take_turn(connection, exclusive=self.exclusive)
            if self.results and self.named and server.kept(connection, self.name):
                return self.results[-1]
            result = self.work(connection)
            if self.named:
                server.keep(connection, self.name)
            self.results[:] = [result]
        return result


def instant(connection: Connection, clock: Clock) -> Instant:
    """The store's time, by which leases run out: the server's, which all who write share.

    A file is on one machine (`place` refuses network file systems), so that its processes share `clock`.
    """
    return server.clock(connection) if connection.dialect.name == "postgresql" else clock.now()


def _take_turn(connection: Connection, *, exclusive: bool) -> None:
    if exclusive:
        connection.execute(select(meta.c.id).with_for_update())
    elif connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(server.CREATING)))


def _patiently(engine: Engine, once: Callable[[], T], patience: float) -> T:
    """Call until it goes well; another try is for a server that is away for a moment."""

    def passes(error: BaseException) -> bool:
        on_server = engine.dialect.name == "postgresql"
        return on_server and isinstance(error, SQLAlchemyError) and server.trouble(error).passes

    tries = Retrying(
        retry=retry_if_exception(passes),
        wait=wait_random(0.1, 0.5),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    with translated(engine.url):
        return tries(once)


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
    return str(file_of(url) or url.set(drivername="postgresql").render_as_string(hide_password=True))


def in_our_words(error: SQLAlchemyError | sqlite3.Error, url: URL) -> StoreError:
    """What a database error means for an operator."""
    name = name_of(url)
    if not file_of(url) and isinstance(error, SQLAlchemyError):
        return server.in_words(error, name)
    original = error.orig if isinstance(error, DBAPIError) else error
    # The driver gives the bare class to SQLITE_CORRUPT and SQLITE_NOTADB alone, its subclasses to the rest.
    if type(original) is sqlite3.DatabaseError:
        return StoreDamaged(f"{name}: the record is damaged: {original}", hint=DAMAGED_HINT)
    problem = next(iter(str(original).splitlines()), type(error).__name__)
    hint = "see that its disk has room and that this user may write file and folder"
    if "is locked" in problem:
        hint = f"another process has been writing to it for {BUSY_SECONDS:g} s; see `fuser {name}` for which"
    return StoreError(f"{name}: the record cannot be read or written: {problem}", hint=hint)
