"""A PostgreSQL server that is away, old, forbidden or slow: a clear message, or a wait that ends well."""

import re
import subprocess
import threading
import time

import psycopg
import pytest
from certificates import make
from meddler import meddling
from postgres import PASSWORD, name_in

from distctl.adapters.store import SqlStore
from distctl.cluster.record import AddEvent, Event
from distctl.errors import StoreError
from distctl.testing import FakeClock


@pytest.fixture
def kind():
    return "postgresql"


def event(number: int) -> AddEvent:
    return AddEvent(Event(float(number), "up", "gpu01", f"event {number}", "ann"))


def refused(url: str, password: str | None = PASSWORD) -> StoreError:
    """What an operator is told; within seconds, and never the password."""
    store = SqlStore(url, clock=FakeClock(), password=(lambda: password) if password is not None else None)
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        store.load()
    store.close()
    assert time.monotonic() - began < 12
    error = caught.value
    assert error.hint
    assert "\n" not in error.message
    assert PASSWORD not in error.message + error.hint
    return error


@pytest.mark.parametrize(("password", "said"), [("no", "password authentication"), (None, "no password")])
def test_a_wrong_password_and_none_at_all(server, password, said):
    error = refused(server.database(by="loopback"), password)
    assert "the server refuses the password" in error.message
    assert said in error.message
    assert "password" in error.hint


def test_a_database_that_is_not_there(server):
    error = refused(server.url("nowhere"))
    assert "there is no such database: " in error.message
    assert '"nowhere" does not exist' in error.message
    assert "createdb" in error.hint


def test_a_user_that_is_not_there(server, url):
    assert "does not let this user in" in refused(url.replace("distctl@", "nobody@")).message


def test_no_server_at_all(server, url):
    error = refused(url.replace(f"port={server.port}", "port=1"))
    assert "cannot be reached" in error.message
    assert "runs and is reachable" in error.hint


def test_encryption_that_the_server_does_not_have(server):
    error = refused(f"{server.database(by='loopback')}?sslmode=require")
    assert "sslmode" in error.message
    assert "sslrootcert" in error.hint


@pytest.fixture
def authority(server, tmp_path):
    """The file of the authority that signed the certificate which the server has for this test."""
    signer = make("authority")
    server.encrypt(make("db", signer))
    (tmp_path / "ca.pem").write_text(signer.pem)
    yield tmp_path / "ca.pem"
    server.encrypt(None)


def test_encryption_by_what_the_url_asks_for(server, clock, authority, tmp_path):
    url = f"{server.database(by='loopback')}?sslmode=verify-full&sslrootcert="
    store = SqlStore(f"{url}{authority}", clock=clock, password=lambda: PASSWORD)
    store.commit(None, [event(1)])
    query = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'distctl'"
    assert set(server.sql(query)) == {(True,)}
    store.close()
    (tmp_path / "other.pem").write_text(make("another").pem)
    assert "certificate verify failed" in refused(f"{url}{tmp_path / 'other.pem'}").message


@pytest.mark.parametrize("wrong", ["sslmod=require", "sslmode=always", "connect_timeout=soon"])
def test_a_parameter_that_nobody_knows(url, wrong):
    error = refused(f"{url}&{wrong}")
    assert wrong.partition("=")[0] in error.message
    assert "`store.url`" in error.hint


def test_a_user_that_may_not_make_tables(server, url):
    server.sql("ALTER SCHEMA public OWNER TO boss", database=name_in(url))
    assert "this user may not" in refused(url).message


def test_a_standby_is_read_and_not_written(server, url, store):
    store.commit(None, [event(1)])
    store.close()
    server.sql(f"ALTER DATABASE {name_in(url)} SET default_transaction_read_only = on")
    assert [e.text for e in store.events()] == ["event 1"]
    with pytest.raises(StoreError, match="takes no writes") as caught:
        store.commit(None, [event(2)])
    assert "primary" in caught.value.hint


def test_the_password_is_read_at_each_connection_and_seen_nowhere(server, clock, caplog):
    caplog.set_level("DEBUG")
    asked = []
    store = SqlStore(
        server.database(by="loopback"), clock=clock, password=lambda: asked.append(1) or PASSWORD
    )
    store.commit(None, [event(1)])
    assert asked
    ours = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert PASSWORD not in ours + caplog.text + repr(vars(store))
    store.close()


def test_a_connection_that_was_ended_is_made_anew(server, url, store):
    store.commit(None, [event(1)])
    cut(server, url)
    assert [e.text for e in store.events()] == ["event 1"]
    cut(server, url)
    store.commit(None, [event(2)])
    assert [e.text for e in store.events()] == ["event 1", "event 2"]


def cut(server, url) -> None:
    ended = server.sql(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name_in(url)}'"
    )
    assert ended


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_is_restarted_under_writes_loses_none_and_doubles_none(server, store, how):
    """Three threads commit numbers all the while; each number that went in is there once."""
    store.open()
    done, over = [], threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + 100_000):
            if over.is_set():
                return
            store.commit(None, [event(number)])
            done.append(number)

    threads = [threading.Thread(target=write, args=(n * 100_000,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(done)
        server.restart(how)
        until(lambda before=before: len(done) > before + 5)
    over.set()
    for thread in threads:
        thread.join()
    kept = [int(e.at) for e in store.events(limit=100_000)]
    assert sorted(kept) == sorted(done)


def until(what, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def by_port(port: int, url: str) -> str:
    """A URL of the same database at another port of the loopback."""
    return f"postgresql://distctl@127.0.0.1:{port}/{name_in(url)}"


def test_a_commit_whose_answer_was_lost_is_not_done_twice(server, url, store):
    """The server took it, and the connection ended before we heard of it."""
    store.open()
    lost = []

    def answer(asked: bytes, answered: bytes) -> bytes:
        if b"INSERT INTO events" in asked and not lost:
            lost.append("armed")
        if b"COMMIT" in asked and lost == ["armed"]:
            lost.append("lost")
            return b""
        return answered

    with meddling(server.port, answer) as port:
        other = SqlStore(by_port(port, url), clock=FakeClock(), password=lambda: PASSWORD)
        other.commit(None, [event(1)])
        other.close()
    assert lost == ["armed", "lost"]
    assert [e.text for e in store.events()] == ["event 1"]


def test_a_server_that_is_too_old(server, url):
    def older(_asked: bytes, answered: bytes) -> bytes:
        return re.sub(rb"PostgreSQL \d\d\.", b"PostgreSQL 09.", answered)

    with meddling(server.port, older) as port:
        error = refused(by_port(port, url))
    assert "version 9." in error.message
    assert "upgrade it to PostgreSQL 13" in error.hint


def test_a_write_waits_for_another_one_and_says_so_in_the_end(server, url, store):
    """Somebody's session that holds the record's row, as from a forgotten psql."""
    store.open()
    where = f"host={server.folder} port={server.port} user=boss dbname={name_in(url)}"
    with psycopg.connect(where) as psql:
        psql.execute("SELECT * FROM meta FOR UPDATE")
        threading.Timer(0.5, psql.rollback).start()
        store.commit(None, [event(1)])
    assert [e.text for e in store.events()] == ["event 1"]


@pytest.mark.nightly
def test_a_write_gives_up_when_another_one_has_no_end(server, url, store):
    store.open()
    where = f"host={server.folder} port={server.port} user=boss dbname={name_in(url)}"
    with psycopg.connect(where) as psql:
        psql.execute("SELECT * FROM meta FOR UPDATE")
        with pytest.raises(StoreError, match="another write has gone on for 10 s"):
            store.commit(None, [event(1)])
        psql.rollback()
    store.commit(None, [event(2)])
    assert [e.text for e in store.events()] == ["event 2"]


@pytest.mark.parametrize(
    ("state", "says"),
    [("55P03", "another write has gone on"), ("57014", "more than 15 s"), ("25P03", "stopped in the middle")],
)
def test_what_takes_too_long_is_told(server, url, store, state, says):
    """The server's own errors, as it raises them."""
    store.open()
    server.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$",
        database=name_in(url),
    )
    server.sql("CREATE TRIGGER t BEFORE INSERT ON events EXECUTE FUNCTION fail()", database=name_in(url))
    with pytest.raises(StoreError, match=says):
        store.commit(None, [event(1)])
