"""One record and several processes: one holds the lease, one makes the file, and a kill breaks nothing."""

import multiprocessing
import os
import random
import signal
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
import store_processes as work

from distctl.adapters.store import SqlStore
from distctl.cluster.record import AddEvent, Event

START = 60  # seconds in which a process must have said something


@pytest.fixture(scope="module")
def processes():
    """Children of a server that has everything imported: cheap to start, and without our threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["store_processes"])
    return context


@contextmanager
def started(processes, target, *arguments):
    """A child and the pipe to it; killed at the end."""
    ours, theirs = processes.Pipe()
    child = processes.Process(target=target, args=(*arguments, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()


def heard(pipe):
    assert pipe.poll(START), "the process said nothing"
    return pipe.recv()


def test_of_two_processes_exactly_one_gets_the_lease(processes, url):
    store = SqlStore(url, clock=work.RealClock())
    store.open()
    store.close()
    with (
        started(processes, work.race, url, "ann@ops:1") as (_, ann),
        started(processes, work.race, url, "bob@ci:2") as (_, bob),
    ):
        for token in range(1, 21):
            for pipe in (ann, bob):
                pipe.send("go")
            got = {pipe: heard(pipe) for pipe in (ann, bob)}
            assert sorted(got.values()) == [0, token]
            next(pipe for pipe, found in got.items() if found).send("give back")
            wait_until_free(url)


def wait_until_free(url: str) -> None:
    store = SqlStore(url, clock=work.RealClock())
    deadline = time.monotonic() + START
    while store.holder() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    store.close()


def test_processes_that_make_the_record_at_once_share_one(processes, kind, new_url):
    with ExitStack() as stack:
        pipes = [stack.enter_context(started(processes, work.begin))[1] for _ in range(4)]
        for _ in range(15 if kind == "sqlite" else 4):
            url = new_url()
            for pipe in pipes:
                pipe.send(url)
            assert len({heard(pipe) for pipe in pipes}) == 1


def test_two_processes_that_write_at_once_lose_nothing(processes, url):
    """Neither shows a token, so that nothing but the transactions keeps them apart."""
    store = SqlStore(url, clock=work.RealClock())
    store.open()
    with (
        started(processes, work.count, url, "ann") as (_, ann),
        started(processes, work.count, url, "bob") as (_, bob),
    ):
        for pipe in (ann, bob):
            pipe.send(100)
        assert [heard(pipe) for pipe in (ann, bob)] == ["done", "done"]
    by_author = {who: [e.text for e in store.events() if e.by == who] for who in ("ann", "bob")}
    assert by_author == {who: [str(n) for n in range(100)] for who in ("ann", "bob")}
    assert {name: pin.count for name, pin in store.load().pins.items()} == {"ann": 99, "bob": 99}
    store.close()


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_holder_stopped_in_the_middle_of_a_write_holds_nobody_up_and_writes_nothing_late(processes, url):
    """The server ends its transaction, so that the next one can write; woken up, it finds its lease gone."""
    store = SqlStore(url, clock=work.RealClock())
    store.open()
    with started(processes, work.stop_while_writing, url, "ann@ops:1") as (child, ann):
        assert heard(ann) == "stopping"
        time.sleep(1.2)
        lease = store.acquire("bob@ci:2", "scale", seconds=60)
        store.commit(lease.token, [AddEvent(Event(2.0, "scale", "gpu01", "in time", "bob"))])
        os.kill(child.pid, signal.SIGCONT)
        assert heard(ann) in ("LeaseHeld", "StoreError")
    assert [e.text for e in store.events()] == ["in time"]
    store.close()


def test_a_process_killed_while_it_commits_leaves_a_sound_record(processes, kind, url):
    """After each kill: the file is sound, every commit is whole, and none that was certain is gone."""
    random.seed(7)
    for _ in range(15 if kind == "sqlite" else 5):
        with started(processes, work.commit_forever, url) as (child, pipe):
            first = heard(pipe)
            time.sleep(random.uniform(0.0, 0.1))
            child.kill()
            child.join()
            certain = last_said(pipe) or first
        check(url, certain)


def last_said(pipe) -> int:
    """The last number that came through before the end."""
    number = 0
    try:
        while True:
            number = pipe.recv()
    except (EOFError, OSError):
        return number


def check(url: str, certain: int) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = SqlStore(url, clock=work.RealClock())
    record, events, history = store.load(), store.events(limit=100_000), store.history(limit=100_000)
    assert record.revision is not None
    number = record.revision.number
    assert number in (certain, certain + 1)
    assert record.pins["digits"].count == number
    assert [int(e.text) for e in events] == [r.number for r in history] == list(range(1, number + 1))
    store.close()
