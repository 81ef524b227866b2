"""Which URLs a record can have, and that no message shows a password."""

import sqlite3

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from distctl.adapters.store import server
from distctl.adapters.store.engine import file_of, in_our_words, name_of, parse
from distctl.errors import StoreDamaged, StoreError


def test_a_sqlite_url_names_a_file():
    assert str(file_of(parse("sqlite:////var/lib/prod.db"))) == "/var/lib/prod.db"


def test_postgresql_is_spoken_by_psycopg():
    url = parse("postgresql://distctl@db.example.com/distctl")
    assert (url.drivername, file_of(url)) == ("postgresql+psycopg", None)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u@h/d", "prod.db", ""])
def test_any_other_url_is_refused_with_those_that_work(url):
    with pytest.raises(StoreError) as refused:
        parse(url)
    assert "sqlite:///PATH" in refused.value.hint


def test_a_password_in_a_url_is_never_shown():
    with pytest.raises(StoreError) as refused:
        parse("mysql://u:secret@h/d")
    assert "secret" not in refused.value.message
    assert "secret" not in name_of(parse("postgresql://u:secret@h/d"))


def full_disk() -> sqlite3.Error:
    """SQLite's own error for a file that cannot grow."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (randomblob(100000))")
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError("it fitted")


def test_a_full_disk_is_no_damage():
    error = in_our_words(OperationalError("INSERT", {}, full_disk()), make_url("sqlite:////var/prod.db"))
    assert not isinstance(error, StoreDamaged)
    assert error.message.startswith("/var/prod.db: ")
    assert "full" in error.message
    assert "room" in error.hint


def test_an_unreachable_server_is_told_as_such():
    refused = OperationalError("SELECT", {}, Exception("connection refused\nis it running?"))
    error = in_our_words(refused, make_url("postgresql://u:secret@db/d"))
    assert error.message == "postgresql://u:***@db/d: the server cannot be reached: connection refused"
    assert "reachable" in error.hint


@pytest.mark.parametrize(
    ("text", "says", "passes"),
    [
        ('connection failed: FATAL:  database "d" does not exist', "no such database", False),
        ("connection failed: FATAL:  the database system is starting up", "going down or coming up", True),
        ("connection failed: FATAL:  sorry, too many clients already", "no connection left", True),
        ("consuming input failed: SSL connection has been closed unexpectedly", "cannot be reached", True),
        ("server does not support SSL, but SSL was required", "no encrypted connection", False),
        ("[Errno -2] Name or service not known", "name is not known", False),
    ],
)
def test_what_the_driver_says_and_whether_it_is_worth_another_try(text, says, passes):
    known = server.trouble(OperationalError("SELECT", {}, Exception(text)))
    assert says in known.says
    assert known.passes == passes


def test_what_the_url_says_of_the_connection_wins():
    told = server.arguments(parse("postgresql://u@db/d?connect_timeout=2&sslmode=verify-full"))
    assert "connect_timeout" not in told
    assert told["tcp_user_timeout"] == 15_000


def test_a_file_that_another_process_keeps_locked_is_told_as_such():
    error = in_our_words(sqlite3.OperationalError("database is locked"), make_url("sqlite:////var/prod.db"))
    assert "fuser /var/prod.db" in error.hint
