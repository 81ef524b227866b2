"""What the processes of `test_store_processes` do. In a module of its own, to be forked from."""

import os
import signal
import time
from multiprocessing.connection import Connection

from sqlalchemy import Connection as DatabaseConnection

from distctl.adapters.store import SqlStore, leases
from distctl.adapters.store.engine import connect, parse, write
from distctl.adapters.store.writes import write as write_changes
from distctl.cluster.lease import check
from distctl.cluster.record import AddEvent, Event, Pin, Revision, SetPin, SetRevision
from distctl.errors import DistctlError, LeaseHeld


class RealClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def race(url: str, owner: str, say: Connection) -> None:
    """Wait for each starting shot, try to get the lease, say whether it was got, give it back when told."""
    store = SqlStore(url, clock=RealClock())
    while say.recv() == "go":
        try:
            lease = store.acquire(owner, "racing", seconds=60)
        except LeaseHeld:
            say.send(0)
            continue
        say.send(lease.token)
        say.recv()
        store.release(lease)
    store.close()


def begin(say: Connection) -> None:
    """Open each record that is named, which may not exist yet, and say its id."""
    while url := say.recv():
        store = SqlStore(url, clock=RealClock(), cluster="prod")
        say.send(store.load().id)
        store.close()


def commit_forever(url: str, say: Connection) -> None:
    """Commit one number in three places at once, again and again, and say each that is certain."""
    store = SqlStore(url, clock=RealClock())
    revision = store.load().revision
    number = revision.number if revision else 0
    while True:
        number += 1
        store.commit(
            None,
            [
                SetRevision(Revision(number, "x" * 5000, "ann", 1.0)),
                SetPin(Pin("digits", number, 1)),
                AddEvent(Event(float(number), "up", "gpu01", str(number))),
            ],
        )
        say.send(number)


def stop_while_writing(url: str, owner: str, say: Connection) -> None:
    """Take the lease for a second, and be stopped (SIGSTOP) in the middle of a write by it; say its end."""
    store = SqlStore(url, clock=RealClock())
    token = store.acquire(owner, "up", seconds=1).token
    store.close()
    engine, stops = connect(parse(url), None), [signal.SIGSTOP]

    def work(connection: DatabaseConnection) -> None:
        check(leases.held(connection), token)
        if stops:
            say.send("stopping")
            os.kill(os.getpid(), stops.pop())
        write_changes(connection, [AddEvent(Event(1.0, "up", "gpu01", "late", owner))])

    try:
        write(engine, work)
        say.send("written")
    except DistctlError as error:
        say.send(type(error).__name__)
    engine.dispose()


def count(url: str, owner: str, say: Connection) -> None:
    """Commit as many times as is said, an event and a pin each."""
    store = SqlStore(url, clock=RealClock())
    for number in range(say.recv()):
        event = AddEvent(Event(float(number), "up", "gpu01", str(number), owner))
        store.commit(None, [SetPin(Pin(owner, number, 1)), event])
    say.send("done")
    store.close()
