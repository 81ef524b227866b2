"""What cannot be used is refused with what to do, and left byte for byte as it is."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from distctl.adapters.store import SqlStore
from distctl.cluster.record import AddEvent, Event
from distctl.errors import StoreDamaged, StoreError, StoreNewer
from distctl.testing import FakeClock


def fill(path: Path, events: int = 2000) -> None:
    """A sound record of several hundred kilobytes in one file, without a log beside it."""
    store = SqlStore(f"sqlite:///{path}", clock=FakeClock(), cluster="prod")
    store.commit(None, [AddEvent(Event(float(n), "up", "gpu01", "x" * 200)) for n in range(events)])
    store.close()
    assert not path.with_name(f"{path.name}-wal").exists()


def statement(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def refused(path: Path, error: type[StoreError]) -> StoreError:
    """The error on opening, after which the file is as it was."""
    before = path.read_bytes()
    store = SqlStore(f"sqlite:///{path}", clock=FakeClock(), cluster="prod")
    with pytest.raises(error) as caught:
        store.load()
    assert path.read_bytes() == before
    assert caught.value.message.startswith(str(path))
    return caught.value


@pytest.mark.parametrize(
    "content", [b"not a database at all\n" * 500, b"SQLite format 3\x00" + b"\x00" * 5000, b"x"]
)
def test_a_file_that_is_no_database(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    error = refused(path, StoreDamaged)
    assert "move the file aside" in error.hint
    assert "distctl up" in error.hint


def test_a_file_with_a_torn_page(path):
    fill(path)
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(8 * 4096))
    assert "damaged" in refused(path, StoreDamaged).message


def test_a_file_that_was_cut_short(path):
    fill(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    refused(path, StoreDamaged)


@pytest.mark.parametrize("table", ["meta", "lease"])
def test_a_record_without_its_one_row(path, table):
    fill(path, events=1)
    statement(path, f"DELETE FROM {table}")
    store = SqlStore(f"sqlite:///{path}", clock=FakeClock())
    with pytest.raises(StoreDamaged):
        store.commit(None, [])
        store.load()
    store.close()


def test_a_row_that_nobody_of_ours_wrote(path):
    fill(path, events=1)
    statement(path, "INSERT INTO facts VALUES ('gpu01', 'no json')")
    store = SqlStore(f"sqlite:///{path}", clock=FakeClock())
    with pytest.raises(StoreDamaged, match="cannot be understood"):
        store.load()
    store.close()


def test_a_newer_record(path):
    fill(path, events=1)
    statement(path, "UPDATE distctl_schema SET version_num = '9999'")
    error = refused(path, StoreNewer)
    assert "schema 9999" in error.message
    assert "upgrade" in error.hint


def test_the_database_of_another_program(path):
    path.parent.mkdir()
    statement(path, "CREATE TABLE invoices (id)")
    assert "invoices" in refused(path, StoreError).message


def test_a_folder_where_the_file_should_be(path):
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="not a file"):
        SqlStore(f"sqlite:///{path}", clock=FakeClock()).load()


def test_a_file_where_the_folder_should_be(path):
    path.parent.write_text("")
    with pytest.raises(StoreError, match="cannot be kept there"):
        SqlStore(f"sqlite:///{path}", clock=FakeClock()).load()


TRY = """
import os, sys
from distctl.adapters.store import SqlStore
from distctl.errors import StoreError
from distctl.testing import FakeClock
if os.geteuid() == 0:  # root may write everywhere
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    SqlStore("sqlite:///" + sys.argv[1], clock=FakeClock()).load()
except StoreError as error:
    print(type(error).__name__, error.message, error.hint, sep="\\n")
"""


@pytest.fixture
def public_folder():
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("read_only", ["file", "folder"])
def test_a_place_that_may_not_be_written(read_only, public_folder):
    folder = public_folder / "team"
    fill(folder / "prod.db", events=1)
    (folder / "prod.db").chmod(0o444 if read_only == "file" else 0o666)
    folder.chmod(0o555 if read_only == "folder" else 0o777)
    try:
        answer = subprocess.run(
            [sys.executable, "-c", TRY, str(folder / "prod.db")],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    finally:
        folder.chmod(0o700)
    kind, message, hint = answer.splitlines()
    assert kind == "StoreError"
    assert "may not be written by this user" in message
    assert "`store:`" in hint


FILL = """
import resource, sys
from distctl.adapters.store import SqlStore
from distctl.cluster.record import AddEvent, Event
from distctl.errors import StoreDamaged, StoreError
from distctl.testing import FakeClock
store = SqlStore("sqlite:///" + sys.argv[1], clock=FakeClock())
store.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # as a full disk: no file grows beyond
for number in range(1, 1000):
    try:
        store.commit(None, [AddEvent(Event(float(number), "up", "gpu01", "x" * 5000))])
    except StoreError as error:
        print(type(error).__name__, number, error.hint, sep="\\n")
        break
"""


def test_a_disk_that_fills_up_loses_only_the_commit_that_was_refused(path):
    """And the record is sound, and goes on as soon as there is room."""
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    kind, refused_at, hint = answer.splitlines()
    assert kind == "StoreError"
    assert "room" in hint
    store = SqlStore(f"sqlite:///{path}", clock=FakeClock())
    assert [int(e.at) for e in store.events()] == list(range(1, int(refused_at)))
    store.commit(None, [AddEvent(Event(5000.0, "up", "gpu01", "room again"))])
    assert store.events()[-1].text == "room again"
    store.close()
