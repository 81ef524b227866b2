"""What each change does to a record, and that nothing else does anything."""

import pytest

from distctl.cluster.record import (
    AddEvent,
    AddLoad,
    Adopt,
    Change,
    DropKey,
    DropNode,
    DropPin,
    DropReplica,
    DropRouter,
    Event,
    Health,
    Intent,
    Key,
    Known,
    Load,
    OperationEntry,
    Pin,
    Record,
    Replica,
    Revision,
    SetFacts,
    SetHealth,
    SetIntent,
    SetKey,
    SetKnown,
    SetOperation,
    SetPin,
    SetReplica,
    SetRevision,
    SetRouter,
    apply,
)
from distctl.cluster.router import SlotState
from distctl.cluster.spec import RouterId, ServerId

EMPTY = Record(id="r1")
A, B = ServerId("a", "0"), ServerId("b", "0")
ROUTER = RouterId("main", "local")


def after(*changes: Change, record: Record = EMPTY) -> Record:
    for change in changes:
        record = apply(record, change)
    return record


def test_an_intent_that_says_nothing_ends_the_one_before():
    record = after(SetIntent(Intent("a", cordoned=True, why="fan")))
    assert record.intents["a"].why == "fan"
    assert after(SetIntent(Intent("a")), record=record).intents == {}


def test_a_pin_is_kept_until_it_is_dropped():
    pin = Pin("digits", 3, 2, "load test", "ann")
    assert after(SetPin(pin)).pins == {"digits": pin}
    assert after(SetPin(pin), DropPin("digits"), DropPin("never there")).pins == {}


def test_a_key_is_kept_until_it_is_dropped():
    key = Key("ci", "ab" * 32, rate=5)
    assert after(SetKey(key)).keys == {"ci": key}
    assert after(SetKey(key), DropKey("ci"), DropKey("never there")).keys == {}


def test_a_replica_is_one_per_server_and_model_whatever_its_digest():
    record = after(
        SetReplica(Replica(A, "m", "old", SlotState.READY)),
        SetReplica(Replica(A, "m", "new", SlotState.DRAIN)),
        SetReplica(Replica(A, "n", "x")),
    )
    found = record.replica(A, "m")
    assert (len(record.replicas), found and found.digest, found and found.slot) == (2, "new", SlotState.DRAIN)
    assert after(DropReplica(A, "m"), record=record).replica(A, "m") is None


def test_a_forgotten_node_leaves_nothing_behind_and_takes_nothing_of_others():
    both = [
        change
        for server in (A, B)
        for change in (
            SetKnown(Known(server.node, "{}")),
            SetIntent(Intent(server.node, draining=True)),
            SetFacts(server.node, {"os": "debian"}),
            SetHealth(Health(server, "up", "", 1.0)),
            SetReplica(Replica(server, "m")),
        )
    ]
    record = after(*both, DropNode("a"))
    kept = (record.known, record.intents, record.facts, {h.node for h in record.health})
    assert [set(part) for part in kept] == [{"b"}] * 4
    assert {r.server for r in record.replicas} == {B}


def test_routers_come_and_go():
    assert after(SetRouter(ROUTER), SetRouter(ROUTER)).routers == {ROUTER}
    assert after(SetRouter(ROUTER), DropRouter(ROUTER)).routers == frozenset()


def test_adoption_takes_the_id_and_never_goes_back_in_generation():
    record = after(Adopt("r2", 7), Adopt("r3", 4))
    assert (record.id, record.generation) == ("r3", 7)


def test_the_newest_revision_is_the_one_that_was_set_last():
    first, second = Revision(1, "{}", "ann", 1.0), Revision(2, "[]", "bob", 2.0)
    assert after(SetRevision(first), SetRevision(second)).revision == second


@pytest.mark.parametrize(
    "change",
    [
        AddEvent(Event(1.0, "up", "a", "began")),
        AddLoad(Load(A, "m", 1.0)),
        SetOperation(OperationEntry("p", 1, "push")),
    ],
    ids=lambda change: type(change).__name__,
)
def test_what_only_the_store_keeps_leaves_the_record_as_it_is(change):
    assert after(change) == EMPTY


def test_what_is_no_change_is_refused():
    with pytest.raises(TypeError, match="not a change"):
        apply(EMPTY, "drop everything")  # type: ignore[arg-type]
