"""The nodes have the last word: whose they are, how far they were changed, what they carry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rehearsal import ROUTER, Operator, model, node, spec

from distctl.cluster.record import Adopt, Change, Intent, Record, Replica, SetIntent, SetReplica, SetRouter
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, Owner, ReplicaSight, ServerSight, Snapshot
from distctl.cluster.spec import ServerId
from distctl.control.adopt import adopted, adoption, intents, intents_text, refuse_at_work, uncarried
from distctl.errors import ForeignNode, NodeLocked

A, B, X = ServerId("a", "0"), ServerId("b", "0"), ServerId("x", "0")
SPEC = spec([node("a"), node("b"), node("x", external=True)], [model("digits", 2)])
NEW = Record("new")
DRAINING = Intent("a", cordoned=True, draining=True, why="new disk", by="ada", since=5.0)
CARRIED = intents_text(Record("old", intents={"a": DRAINING}))


def owner(record: str = "old", generation: int = 7, cluster: str = "prod", **more: object) -> Owner:
    return Owner(cluster, record, generation, by="ada@desk", **more)  # type: ignore[arg-type]


def seen(a: Owner | None = None, b: Owner | None = None, **more: object) -> Snapshot:
    nodes = {
        name: NodeSight(name, reachable=True, owner=found, links={("0", "digits"): "d1"} if found else {})
        for name, found in (("a", a), ("b", b))
    }
    return replace(Snapshot(0.0, nodes), **more)  # type: ignore[arg-type]


def replicas(changes: list[Change]) -> dict[ServerId, Replica]:
    return {change.replica.server: change.replica for change in changes if isinstance(change, SetReplica)}


def test_nodes_that_nobody_owns_teach_nothing() -> None:
    assert adoption(SPEC, NEW, seen()) == []


def test_nodes_that_are_ours_teach_nothing() -> None:
    assert adoption(SPEC, Record("old", generation=7), seen(owner(), owner(generation=6))) == []


def test_a_new_record_takes_over_the_newest_owner_with_its_intents() -> None:
    changes = adoption(SPEC, NEW, seen(owner(generation=6), owner(generation=7, intents=CARRIED)))
    assert changes[:2] == [Adopt("old", 7), SetIntent(DRAINING)]


def test_a_new_record_takes_over_what_servers_hold_and_routers_send() -> None:
    slots = (
        ("digits", A, SlotSight(SlotState.DRAIN, True, 0, 0)),
        ("digits", B, SlotSight(SlotState.READY, True, 0, 0)),
    )
    loaded = ServerSight(
        X,
        live=True,
        replicas={"digits": ReplicaSight(ModelState.READY), "foreign": ReplicaSight(ModelState.READY)},
    )
    changes = adoption(
        SPEC,
        NEW,
        seen(owner(), owner(), routers={ROUTER: RouterSight(ROUTER, True, slots=slots)}, servers={X: loaded}),
    )
    assert SetRouter(ROUTER) in changes
    found = replicas(changes)
    assert {s: (r.digest, r.slot) for s, r in found.items()} == {
        A: ("d1", SlotState.DRAIN),
        B: ("d1", SlotState.READY),
        X: ("", SlotState.OFF),  # and not what an external server has beside the spec's models
    }


@pytest.mark.parametrize(
    ("one", "two", "agreed"),
    [
        (SlotState.READY, SlotState.DRAIN, SlotState.DRAIN),
        (SlotState.OFF, SlotState.READY, SlotState.READY),
        (SlotState.OFF, SlotState.OFF, SlotState.OFF),
    ],
)
def test_where_routers_differ_nothing_is_undrained(one: SlotState, two: SlotState, agreed: SlotState) -> None:
    other = replace(ROUTER, place="lb2")
    routers = {
        id: RouterSight(id, True, slots=(("digits", A, SlotSight(state, True, 0, 0)),))
        for id, state in ((ROUTER, one), (other, two))
    }
    assert replicas(adoption(SPEC, NEW, seen(owner(), routers=routers)))[A].slot is agreed


def test_after_a_change_that_was_cut_nobody_knows_what_a_server_has_loaded() -> None:
    found = replicas(adoption(SPEC, NEW, seen(owner(until=99.0), owner())))
    assert (found[A].digest, found[B].digest) == ("", "d1")


def test_a_node_of_another_cluster_is_refused_whatever_is_said() -> None:
    with pytest.raises(ForeignNode, match="belongs to the cluster 'other', not to 'prod'"):
        adoption(SPEC, NEW, seen(owner(), owner(cluster="other")), adopt=True)


def test_a_node_that_another_record_changed_is_refused_until_somebody_means_it() -> None:
    ours = Record("ours", generation=3)
    with pytest.raises(ForeignNode, match="another record changed it last, by ada@desk") as caught:
        adoption(SPEC, ours, seen(owner()))
    assert "up --adopt" in caught.value.hint
    assert adoption(SPEC, ours, seen(owner()), adopt=True)[0] == Adopt("old", 7)


@pytest.mark.parametrize(
    ("record", "working", "refused"),
    [
        (NEW, owner(at=90.0, until=120.0), True),
        (Record("old", generation=6), owner(at=90.0, until=120.0), True),
        (Record("old", generation=7), owner(at=90.0, until=120.0), False),  # our own run that died: the lease
        (NEW, owner(at=60.0, until=90.0), False),  # it may have died
        (NEW, owner(at=200.0, until=230.0), False),  # its clock is not ours
        (NEW, owner(), False),
    ],
)
def test_whoever_is_at_work_with_another_record_is_not_disturbed(
    record: Record, working: Owner, refused: bool
) -> None:
    snapshot = replace(seen(owner(generation=5), working), at=100.0)
    if not refused:
        refuse_at_work(record, snapshot)
        return
    refuse_at_work(record, snapshot, ended=lambda run: run == working.run)
    with pytest.raises(
        NodeLocked, match=r"ada@desk has been changing this cluster for 10 s.*runs out in 20 s"
    ):
        refuse_at_work(record, snapshot)


TWO = seen(owner(intents=CARRIED), replace(owner("other", 4), by="bob@laptop"))


@pytest.mark.parametrize("record", [NEW, Record("ours", generation=3)])
def test_nodes_of_two_records_are_named_and_refused_until_somebody_means_it(record: Record) -> None:
    with pytest.raises(ForeignNode) as caught:
        adoption(SPEC, record, TWO)
    assert "belong to 2 records: a to that of ada@desk, b to that of bob@laptop" in caught.value.message
    assert "up --adopt" in caught.value.hint


def test_adopted_nodes_of_two_records_become_one_with_what_both_carry() -> None:
    mine = Intent("b", cordoned=True, why="hot", by="bob", since=9.0)
    both = seen(
        owner(intents=CARRIED), owner("other", 9, intents=intents_text(Record("x", intents={"b": mine})))
    )
    changes = adoption(SPEC, Record("ours", generation=3), both, adopt=True)
    assert changes[:3] == [Adopt("other", 9), SetIntent(DRAINING), SetIntent(mine)]
    assert adopted(Record("other", 9), both) == {"a": "old"}


def test_after_up_adopt_every_node_is_this_records_also_where_nothing_was_to_do() -> None:
    operator = Operator(spec([node("a"), node("b")], [model("digits", 2)]))
    operator.up()
    b = operator.cluster.machines["b"]
    assert b.owner is not None
    b.owner = replace(b.owner, record="another", generation=b.owner.generation + 5)
    with pytest.raises(ForeignNode, match="another record changed it last"):
        operator.up()
    assert operator.up(adopt=True).empty
    owners = [machine.owner for machine in operator.cluster.machines.values() if machine.owner]
    assert {owner.record for owner in owners} == {operator.cluster.store.record.id} == {"another"}
    assert operator.up().empty


def test_a_copy_of_the_record_that_fell_behind_catches_up() -> None:
    behind = Record("old", generation=5)
    changes = adoption(SPEC, behind, seen(owner(generation=9, intents=CARRIED), owner(generation=4)))
    assert changes[:2] == [Adopt("old", 9), SetIntent(DRAINING)]
    assert set(replicas(changes)) == {A, B}


def test_a_node_that_was_not_reached_says_nothing() -> None:
    away = Snapshot(0.0, {"a": NodeSight("a", reachable=False, error="no route")})
    assert adoption(SPEC, NEW, away) == []


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "5", '{"node": "a"}', '["a"]', "[{}]"])
def test_intents_that_cannot_be_read_carry_none(text: str) -> None:
    assert intents(owner(intents=text)) == []


def test_intents_written_are_the_intents_read() -> None:
    record = Record("r", intents={"b": Intent("b", cordoned=True, why="ä\n'\"\\", by="ada"), "a": DRAINING})
    text = intents_text(record)
    assert "\n" not in text and text.isascii()
    assert intents(owner(intents=text)) == [DRAINING, record.intents["b"]]


def test_what_a_newer_distctl_wrote_beside_an_intent_does_not_undrain_it() -> None:
    item = json.loads(CARRIED)[0] | {"colour": "red"}
    assert intents(owner(intents=json.dumps([item]))) == [DRAINING]


def test_nodes_carry_what_was_said_of_them_before_the_record_can_be_lost() -> None:
    ours = Record("old", generation=7, intents={"a": DRAINING})
    assert uncarried(ours, seen(owner(), owner())) == ["a"]
    assert uncarried(ours, seen(owner(intents=CARRIED), owner(generation=6))) == []
    assert uncarried(replace(ours, intents={}), seen(owner(intents=CARRIED), owner())) == ["a"]
    other = replace(ours, intents={"lb": replace(DRAINING, node="lb")})
    assert uncarried(other, seen(owner(), owner())) == ["a"]
    assert uncarried(ours, seen()) == []


def test_a_cordon_that_changes_nothing_survives_the_loss_of_the_record() -> None:
    operator = Operator(spec([node("a"), node("b")], [model("digits", 1)]))
    operator.up()
    operator.scale("digits=2")
    operator.scale("digits=1")
    assert operator.cordon("b").empty
    operator.lose_record()
    operator.up()
    assert operator.cluster.store.record.intents["b"].cordoned
    operator.undrain("b")
    operator.lose_record()
    operator.up()
    assert operator.cluster.store.record.intents == {}
