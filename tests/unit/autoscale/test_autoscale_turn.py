"""A turn over a whole spec: who is asked, what is pinned, what fits, what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Intent, Pin, Record, Replica, Sized
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, ReplicaSight, ServerSight, Snapshot
from distctl.cluster.spec import Autoscale, RouterId, ServerId
from distctl.policy.autoscale.demand import demands
from distctl.policy.autoscale.turn import Scaling, autoscale
from distctl.policy.decision import Seen

QUICK = Autoscale(0, 6, concurrency=10.0, down_after=1.0, idle=30.0, stable=6.0, panic=6.0)
SPEC = spec(
    [node(name) for name in ("a", "b", "c")],
    [replace(model("digits", 0), autoscale=QUICK), model("fixed", 2)],
)
HERE = [ServerId(name, "0") for name in ("a", "b", "c")]
SLOT = SlotSight(SlotState.READY, healthy=True, in_flight=0, queued=0)


def seen(at: float, requests: int = 0, held: int = 0, on: int = 1, **router: object) -> Snapshot:
    """A look: `digits` loaded on the first `on` servers, `requests` of it with the first of them."""
    slots = (("digits", HERE[0], replace(SLOT, in_flight=requests - requests // 3, queued=requests // 3)),)
    sight = RouterSight(ROUTER, running=True, slots=slots, held={"digits": held})
    ready = {"digits": ReplicaSight(ModelState.READY)}
    return Snapshot(
        at,
        nodes={name: NodeSight(name, reachable=True) for name in ("a", "b", "c", "lb")},
        servers={s: ServerSight(s, live=True, replicas=ready if s in HERE[:on] else {}) for s in HERE},
        routers={ROUTER: replace(sight, **router)},
    )


def recorded(on: int = 1, **more: object) -> Record:
    record = Record("x", replicas=frozenset(Replica(s, "digits", slot=SlotState.READY) for s in HERE[:on]))
    sized = {"digits": Sized("digits", on, on)}
    return replace(record, **{"sized": sized, **more})


def rounds(record: Record, looks: list[Snapshot], *, busy: bool = False) -> list[Sized]:
    """Every count that is decided in some looks at a record that stays as it is."""
    memory, found = Scaling(), []
    for look in looks:
        memory, decisions = autoscale(memory, Seen(SPEC, record, look, busy=busy))
        found += [change.sized for decision in decisions for change in decision.changes]
    return found


def test_demand_is_in_flight_queued_and_held_of_all_routers_and_a_fixed_model_is_not_asked_about():
    one, other = seen(0.0, 30), seen(0.0, 12, held=5)
    edge = RouterId("edge", "lb")
    both = replace(one, routers={ROUTER: one.routers[ROUTER], edge: other.routers[ROUTER]})
    found = demands(["digits"], [ROUTER, edge], both)["digits"]
    assert (found.requests, found.held, found.blind, found.holds) == (47, 5, "", True)
    assert set(autoscale(Scaling(), Seen(SPEC, recorded(), one))[0].models) == {"digits"}


@pytest.mark.parametrize(
    ("router", "blind"),
    [
        ({"error": "no route to host"}, "no figures from main@lb"),
        ({"running": False}, "no router runs"),
        ({"running": False, "error": "timeout"}, "no figures from main@lb"),
    ],
)
def test_a_router_that_is_silent_or_stopped_tells_no_whole_demand(router, blind):
    assert demands(["digits"], [ROUTER], seen(0.0, **router))["digits"].blind == blind


def test_one_of_two_routers_that_was_stopped_has_nothing_and_hides_nothing():
    edge = RouterId("edge", "lb")
    look = seen(0.0, 9)
    look = replace(look, routers={**look.routers, edge: RouterSight(edge, running=False)})
    assert demands(["digits"], [ROUTER, edge], look)["digits"].blind == ""


def test_more_than_fits_is_placed_as_far_as_it_goes_and_the_reason_says_what_is_missing():
    decision, *_ = rounds(recorded(), [seen(t, 48) for t in range(8)])
    assert (decision.model, decision.count, decision.asked) == ("digits", 3, 5)
    assert decision.why.endswith("5 wanted, 3 fit: 3 servers fit")
    after = recorded(3, sized={"digits": Sized("digits", 3, 5)})
    assert rounds(after, [seen(t, 48, on=3) for t in range(8)]) == []
    drained = recorded(intents={"c": Intent("c", cordoned=True)})
    decision, *_ = rounds(drained, [seen(t, 48) for t in range(8)])
    assert (decision.count, decision.asked) == (2, 5)
    assert "closed to new replicas: c" in decision.why


def test_a_pin_wins_and_nothing_is_decided_beside_it():
    pinned = recorded(pins={"digits": Pin("digits", 2, over=0)})
    assert rounds(pinned, [seen(t, 48) for t in range(20)]) == []
    asleep = recorded(0, pins={"digits": Pin("digits", 0, over=0)})
    assert rounds(asleep, [seen(0.0, held=5, on=0)]) == []


def test_a_held_request_wakes_a_model_in_the_same_look():
    (decision,) = rounds(recorded(0), [seen(0.0, on=0), seen(1.0, held=12, on=0)])
    assert (decision.count, decision.why) == (2, "12 requests wait for a first server")


def test_an_idle_model_sleeps_and_a_router_without_its_hold_pool_keeps_it_awake():
    looks = [seen(float(t)) for t in range(40)]
    decision, *_ = rounds(recorded(), looks)
    assert (decision.count, decision.why) == (0, "no request for 30s")
    assert (
        rounds(recorded(), [replace(x, routers={ROUTER: replace(x.routers[ROUTER], held={})}) for x in looks])
        == []
    )


def test_while_a_pass_is_under_way_nothing_is_decided_and_nothing_forgotten():
    looks = [seen(float(t), 48) for t in range(8)]
    assert rounds(recorded(), looks, busy=True) == []
    memory, _ = autoscale(Scaling(), Seen(SPEC, recorded(), looks[0], busy=True))
    _, decisions = autoscale(memory, Seen(SPEC, recorded(), looks[2]))
    assert [d.reason.partition(":")[0] for d in decisions] == ["digits from 1 to 3"]


def test_a_model_that_says_no_target_is_meant_to_have_what_one_server_can_use():
    plain = spec([node("a"), node("b")], [replace(model("digits", 1), autoscale=Autoscale(1, 2))])
    memory, found = Scaling(), {}
    for capacity in (4, 100):
        for t in range(0, 10, 2):
            look = Seen(plain, recorded(), seen(float(t), 8), capacities={"digits": capacity})
            memory, decisions = autoscale(memory, look)
            found[capacity] = len(decisions)
        memory = Scaling()
    assert found == {4: 1, 100: 0}


def test_a_quick_look_that_asks_no_node_finds_room_and_a_node_that_was_asked_in_vain_has_none():
    quick = [replace(seen(float(t), 48), nodes={}) for t in range(8)]
    assert rounds(recorded(), quick)[0].count == 3
    away = {"c": NodeSight("c", reachable=False, error="no route to host")}
    sized, *_ = rounds(recorded(), [replace(look, nodes=away) for look in quick])
    assert sized.count == 2 and sized.why.endswith("not reachable: c")
