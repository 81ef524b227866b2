"""A real record for each test: in a file of its own, and in a database of its own on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import Postgres, name_in, served

from distctl.adapters.store import SqlStore
from distctl.ports import Clock
from distctl.testing import FakeClock

KINDS = ("sqlite", "postgresql")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".distctl" / "prod.db"


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """The server, started once for all tests of this process."""
    with served() as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


@pytest.fixture
def new_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes the URLs of records that do not exist yet."""
    made: list[str] = []

    def make() -> str:
        if kind == "postgresql":
            return request.getfixturevalue("server").database()  # type: ignore[no-any-return]
        made.append("")
        return f"sqlite:///{tmp_path / f'new{len(made)}' / 'prod.db'}"

    return make


@pytest.fixture
def url(kind: str, path: Path, new_url: Callable[[], str]) -> str:
    """The URL of this test's record, which does not exist yet."""
    return f"sqlite:///{path}" if kind == "sqlite" else new_url()


@pytest.fixture
def sql(url: str, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Does a statement behind the back of every store."""

    def do(statement: str) -> None:
        if url.startswith("postgresql"):
            request.getfixturevalue("server").sql(statement, database=name_in(url))
            return
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement)

    return do


@pytest.fixture
def later(url: str, clock: FakeClock, sql: Callable[[str], None]) -> Callable[..., None]:
    """Lets seconds pass for leases. A server has a clock of its own: there they are made older instead."""

    def pass_by(seconds: float, table: str = "lease") -> None:
        if url.startswith("postgresql"):
            sql(f"UPDATE {table} SET expires = expires - {seconds}, since = since - {seconds}")
        else:
            clock.advance(seconds)

    return pass_by


@pytest.fixture
def opened(url: str, clock: Clock) -> Iterator[Callable[..., SqlStore]]:
    """Opens this test's record, as often as one likes."""
    made: list[SqlStore] = []

    def make(**more: object) -> SqlStore:
        made.append(SqlStore(url, clock=clock, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(opened: Callable[..., SqlStore]) -> SqlStore:
    return opened(cluster="prod")
