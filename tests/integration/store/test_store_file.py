"""The file of a record in SQLite."""

import sqlite3
import stat
from contextlib import closing

import pytest


@pytest.fixture
def kind():
    return "sqlite"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_made_before_the_first_use(store, path):
    assert not path.parent.exists()
    store.open()
    assert path.exists()


def test_file_folder_and_log_are_for_their_owner_alone(store, path):
    store.acquire("ann@ops:1", "up", seconds=60)
    assert [mode(path.parent), mode(path), mode(path.with_name("prod.db-wal"))] == [0o700, 0o600, 0o600]


def test_a_folder_that_is_there_keeps_its_mode(store, path):
    path.parent.mkdir(mode=0o755)
    store.open()
    assert mode(path.parent) == 0o755


def test_a_write_ahead_log_is_used(store, path):
    store.open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
