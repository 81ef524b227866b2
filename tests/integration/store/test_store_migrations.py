"""Schemas: the shipped migrations make the declared tables, and an older record is brought up to date."""

import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

import distctl.adapters.store as shipped
from distctl.adapters.store import SHIPPED, Migrations, SqlStore
from distctl.adapters.store.engine import parse
from distctl.adapters.store.migrate import VERSION_TABLE
from distctl.adapters.store.schema import metadata
from distctl.cluster.record import DropKey, Key, Pin, SetKey, SetPin
from distctl.errors import LeaseHeld, StoreError
from distctl.testing import FakeClock

SECOND = f"""
from alembic import op
import sqlalchemy as sa
revision = "next"
down_revision = "{SHIPPED.head}"

def upgrade():
    op.add_column("pins", sa.Column("ends", sa.Double, nullable=False, server_default="0"))
"""
HALF = SECOND + '    op.execute("this is not SQL")\n'


@pytest.fixture
def next_release(tmp_path):
    """The shipped migrations and one that a later release might bring; give it the second one's text."""

    def make(second: str) -> Migrations:
        folder = tmp_path / "100% later" / "migrations"
        shutil.copytree(Path(shipped.__file__).parent / "migrations", folder)
        (folder / "versions" / "next_release.py").write_text(second)
        return Migrations(str(folder), "next")

    return make


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """The database behind the store's back."""
    engine = create_engine(parse(url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def columns(url: str, table: str) -> set[str]:
    with connected(url) as connection:
        return {column["name"] for column in inspect(connection).get_columns(table)}


def schema_of(url: str) -> str:
    with connected(url) as connection:
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())


def test_the_migrations_make_exactly_the_declared_tables(store, url):
    store.open()
    with connected(url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_newest_shipped_migration_is_the_one_that_the_code_names():
    location = Path(shipped.__file__).parent / "migrations"
    assert ScriptDirectory(str(location)).get_heads() == [SHIPPED.head]


def test_an_older_record_is_migrated(store, opened, url, next_release):
    store.commit(None, [SetPin(Pin("digits", 3, 1, "test", "ann", 5.0))])
    before = store.load()
    store.close()
    newer = opened(cluster="prod", migrations=next_release(SECOND))
    assert newer.load() == before
    assert newer.holder() is None
    assert schema_of(url) == "next"
    assert "ends" in columns(url, "pins")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_copy_of_the_file_is_left_as_it_was_before_it_was_migrated(
    store, opened, path, clock, next_release
):
    store.commit(None, [SetPin(Pin("digits", 3, 1, "test", "ann", 5.0))])
    before = store.load()
    store.close()
    opened(migrations=next_release(SECOND)).open()
    copy = path.with_name(f"prod.db.bak-{SHIPPED.head}")
    assert schema_of(f"sqlite:///{copy}") == SHIPPED.head
    assert "ends" not in columns(f"sqlite:///{copy}", "pins")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    back = SqlStore(f"sqlite:///{copy}", clock=clock, cluster="prod")
    assert back.load() == before
    back.close()


def test_the_first_schema_becomes_this_one_and_keeps_what_it_had(opened, url, sql):
    """A record of the first release, as its own migration made it."""
    first = opened(cluster="prod", migrations=Migrations(SHIPPED.location, "0001"))
    first.open()
    first.close()
    sql("UPDATE lease SET owner = 'ann@ops:1', token = 1, expires = 1.0")
    now = opened(cluster="prod")
    assert now.load().keys == {}
    key = Key("ci", "ab" * 32, 5, 2, ("digits", "seq"), "ann", 5.0)
    now.commit(None, [SetKey(key), SetKey(replace(key, name="ops", models=()))])
    assert now.load().keys == {"ci": key, "ops": replace(key, name="ops", models=())}
    now.commit(None, [DropKey("ci"), DropKey("never there")])
    assert set(now.load().keys) == {"ops"}
    assert schema_of(url) == SHIPPED.head


def test_a_record_in_use_is_not_migrated(store, opened, url, later, next_release):
    store.acquire("ann@ops:1", "up", seconds=60)
    newer = opened(migrations=next_release(SECOND))
    with pytest.raises(LeaseHeld, match="ann@ops:1"):
        newer.load()
    assert schema_of(url) == SHIPPED.head
    later(60)
    newer.open()
    assert schema_of(url) == "next"


def test_a_migration_that_fails_changes_nothing(store, opened, url, next_release):
    store.open()
    newer = opened(migrations=next_release(HALF))
    with pytest.raises(StoreError, match="cannot be read or written"):
        newer.load()
    assert schema_of(url) == SHIPPED.head
    assert "ends" not in columns(url, "pins")
    assert store.holder() is None
    assert re.fullmatch("[0-9a-f]{32}", store.load().id)


@pytest.mark.parametrize("kind", ["sqlite"])
def test_without_room_for_a_copy_nothing_is_migrated(store, opened, url, path, next_release):
    store.open()
    path.with_name(f"prod.db.bak-{SHIPPED.head}.part").mkdir()
    newer = opened(migrations=next_release(SECOND))
    with pytest.raises(StoreError, match="no backup could be written"):
        newer.load()
    assert schema_of(url) == SHIPPED.head
    assert store.holder() is None


def test_a_record_that_is_up_to_date_is_opened_without_alembic(tmp_path):
    """Its import costs a quarter of what `status` may take."""
    import subprocess
    import sys

    url = f"sqlite:///{tmp_path / 'r.db'}"
    first = SqlStore(url, clock=FakeClock())
    first.open()
    first.close()
    script = (
        "import sys; from distctl.adapters.store import SqlStore; from distctl.testing import FakeClock;"
        "SqlStore(sys.argv[1], clock=FakeClock()).load(); print('alembic' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout == "False\n"
