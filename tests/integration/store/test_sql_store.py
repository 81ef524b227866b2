"""What a record does, in a SQLite file and on a PostgreSQL server alike."""

import threading

import pytest

from distctl.adapters.store import SqlStore
from distctl.cluster.record import (
    AddEvent,
    AddHour,
    AddLoad,
    DropNode,
    Event,
    Hour,
    Load,
    OperationEntry,
    OperationState,
    Pin,
    Revision,
    SetFacts,
    SetOperation,
    SetPin,
    SetRevision,
)
from distctl.cluster.spec import ServerId
from distctl.errors import LeaseHeld, StoreError


def event(number: int) -> AddEvent:
    return AddEvent(Event(float(number), "up", "gpu01", f"event {number}", "ann"))


def test_a_new_record_has_an_id_of_its_own_that_stays(store, new_url, clock):
    first = store.load().id
    assert len(first) == 32
    store.close()
    assert store.load().id == first
    other = SqlStore(new_url(), clock=clock)
    assert other.load().id != first
    other.close()


def test_the_record_of_another_cluster_is_refused(store, opened):
    store.open()
    other = opened(cluster="staging")
    with pytest.raises(StoreError, match="record of the cluster prod, not of staging"):
        other.load()


def test_a_commit_is_all_or_nothing(store):
    with pytest.raises(TypeError):
        store.commit(None, [SetPin(Pin("digits", 3, 1)), "no change"])
    assert store.load().pins == {}
    with pytest.raises(StoreError):
        store.commit(None, [SetPin(Pin("digits", 3, 1)), SetPin(Pin("\ud800", 3, 1))])
    assert store.load().pins == {}


def test_events_come_oldest_first_and_the_newest_are_kept(opened):
    store = opened(keep=10)
    for number in range(1, 26):
        store.commit(None, [event(number)])
    assert [int(e.at) for e in store.events()] == list(range(16, 26))
    assert [int(e.at) for e in store.events(limit=3)] == [23, 24, 25]
    assert [int(e.at) for e in store.events(since=24.0)] == [24, 25]
    assert store.events()[-1] == Event(25.0, "up", "gpu01", "event 25", "ann")


def test_events_of_one_subject(store):
    store.commit(None, [event(1), AddEvent(Event(2.0, "drain", "gpu02", "drained")), event(3)])
    assert [e.text for e in store.events(subject="gpu02")] == ["drained"]
    assert [e.text for e in store.events(subject="gpu01", since=2.0)] == ["event 3"]
    assert list(store.events(subject="")) == []


def test_what_is_said_is_noticed_by_the_serial_and_what_is_seen_is_not(store, opened):
    controller = opened()
    seen = controller.load().serial
    store.commit(None, [event(1), SetFacts("gpu01", {"os": "debian"})])
    assert controller.serial() == seen
    store.commit(None, [event(2), SetPin(Pin("digits", 3, 1))])
    assert controller.serial() == seen + 1 == controller.load().serial
    with pytest.raises(TypeError):
        store.commit(None, [SetPin(Pin("digits", 4, 1)), "no change"])
    assert controller.serial() == seen + 1


def test_a_record_that_nobody_changed_is_the_very_object(store, opened):
    other = opened()
    before = store.load()
    other.commit(None, [event(1)])
    assert store.load() is before
    other.commit(None, [SetFacts("a", {"arch": "x86_64"})])
    assert store.load().facts == {"a": {"arch": "x86_64"}}
    assert store.load() is store.load()


def test_every_revision_is_kept(store):
    revisions = [Revision(n, f'{{"n": {n}}}', "ann", float(n), "more") for n in (1, 2, 3)]
    for revision in revisions:
        store.commit(None, [SetRevision(revision)])
    assert list(store.history()) == revisions
    assert list(store.history(limit=2)) == revisions[1:]
    assert store.revision(2) == revisions[1]
    assert store.revision(9) is None
    assert store.load().revision == revisions[2]


def test_operations_are_read_by_plan_and_by_default_the_last_one(store):
    def entry(plan: str, number: int, state: OperationState = OperationState.PLANNED) -> OperationEntry:
        return OperationEntry(plan, number, "push digits", state, 1.0, 2.0, "done")

    store.commit(None, [SetOperation(entry("p1", n)) for n in (2, 1)])
    store.commit(None, [SetOperation(entry("p2", 1)), SetOperation(entry("p1", 2, OperationState.DONE))])
    assert list(store.operations("p1")) == [entry("p1", 1), entry("p1", 2, OperationState.DONE)]
    assert list(store.operations()) == [entry("p2", 1)]
    assert list(store.operations("p3")) == []


def test_loads_of_the_last_hour_are_kept(store):
    server = ServerId("gpu01", "0")
    for at in (1.0, 3000.0, 5000.0):
        store.commit(None, [AddLoad(Load(server, "digits", at, 2, 1, 90))])
    assert list(store.loads()) == [Load(server, "digits", at, 2, 1, 90) for at in (3000.0, 5000.0)]
    store.commit(None, [DropNode("gpu01")])
    assert list(store.loads()) == []


def test_hours_gather_minutes_for_weeks_and_days_on_each_node(store):
    def minute(at: float, node: str = "", requests: int = 5) -> AddHour:
        begin = at // 3600 * 3600
        return AddHour(Hour("digits", node, begin, at, 1, requests, 2, 1, most=requests, most_at=at))

    store.commit(None, [minute(7200.0), minute(7200.0, "gpu01", 3)])
    store.commit(None, [minute(7260.0, requests=9), minute(7260.0, "gpu01", 4), minute(7260.0)])
    together = Hour("digits", "", 7200.0, 7260.0, 2, 14, 4, 2, most=9, most_at=7260.0)
    alone = Hour("digits", "gpu01", 7200.0, 7260.0, 2, 7, 4, 2, most=4, most_at=7260.0)
    assert list(store.hours()) == [together, alone]
    assert list(store.hours(model="chat")) == list(store.hours(since=7201.0)) == []
    store.commit(None, [minute(7200.0 + 3 * 86400)])
    assert list(store.hours())[:-1] == [together], "of a node two days are kept"
    store.commit(None, [minute(7200.0 + 39 * 86400)])
    assert len(store.hours()) == 1, "of all nodes five weeks"


def test_a_commit_shows_its_token_and_an_old_one_is_refused(store, later):
    ann = store.acquire("ann@ops:1", "up", seconds=60)
    store.commit(ann.token, [event(1)])
    later(61)
    bob = store.acquire("bob@ci:2", "scale", seconds=60)
    with pytest.raises(LeaseHeld, match="bob@ci:2 holds it: scale"):
        store.commit(ann.token, [event(2)])
    store.commit(bob.token, [event(3)])
    store.commit(None, [event(4)])
    assert [e.text for e in store.events()] == ["event 1", "event 3", "event 4"]


def test_the_lease_is_held_renewed_and_given_back(store, later):
    assert store.holder() is None
    ann = store.acquire("ann@ops:1", "up", seconds=60)
    assert store.holder() == ann
    with pytest.raises(LeaseHeld, match="ann@ops:1 has been changing this cluster"):
        store.acquire("bob@ci:2", "scale", seconds=60)
    later(50)
    renewed = store.renew(ann, seconds=60)
    assert renewed.token == ann.token
    assert renewed.expires - renewed.since == pytest.approx(110, abs=5)
    store.release(renewed)
    assert store.holder() is None
    bob = store.acquire("bob@ci:2", "scale", seconds=60)
    store.release(ann)
    assert store.holder() == bob
    with pytest.raises(LeaseHeld):
        store.renew(ann, seconds=60)
    later(60)
    assert store.holder() is None


def test_one_controller_leads_beside_the_lease(store, opened, later):
    first, second = store.lead("one@a:1", seconds=5), opened()
    store.acquire("ann@ops:1", "up", seconds=60)
    with pytest.raises(LeaseHeld, match="one@a:1"):
        second.lead("two@b:2", seconds=5)
    assert second.leader() == first
    later(5, "leader")
    assert second.leader() is None
    after = second.lead("two@b:2", seconds=5)
    assert after.token == first.token + 1
    with pytest.raises(LeaseHeld):
        store.lead("one@a:1", seconds=5)
    store.stand_down(first)
    assert store.leader() == after
    second.stand_down(after)
    assert store.leader() is None
    holder = store.holder()
    assert holder is not None
    assert holder.owner == "ann@ops:1"


def test_threads_share_a_store(store):
    """Eight threads write ten events each, and none is lost."""

    def write(first: int) -> None:
        for number in range(first, first + 10):
            store.commit(None, [event(number)])

    threads = [threading.Thread(target=write, args=(n * 10,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(e.at) for e in store.events()) == list(range(80))
