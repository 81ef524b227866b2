"""How things stand: one word for each node, model and router, with its reason; intent beside observation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Health, Intent, Pin, Record, Replica
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, ReplicaSight, ServerSight, Snapshot
from distctl.cluster.spec import PerDevice, ServerId
from distctl.policy.standing import NodeStanding, standing

A, A1, B = ServerId("a", "0"), ServerId("a", "1"), ServerId("b", "0")
SPEC = spec([node("a", servers=2), node("b")], [model("digits", 3)])
READY, DRAIN, OFF = SlotState.READY, SlotState.DRAIN, SlotState.OFF
RECORD = Record("r", replicas=frozenset(Replica(server, "digits", "d", READY) for server in (A, A1, B)))
LOADED = {"digits": ReplicaSight(ModelState.READY)}


def server(id: ServerId, **models: ReplicaSight) -> ServerSight:
    return ServerSight(id, live=True, ready=True, replicas=models or LOADED)


def router(**slots: SlotSight) -> RouterSight:
    """Slots by node and server, as in a0."""
    wanted = {"a0": A, "a1": A1, "b0": B}
    given = {name: slots.get(name, SlotSight(READY, True, 0, 0)) for name in wanted}
    return RouterSight(ROUTER, True, slots=tuple(("digits", wanted[n], s) for n, s in given.items()))


def seen(*servers: ServerSight, at: RouterSight | None = None, **nodes: NodeSight) -> Snapshot:
    found = {id: server(id) for id in (A, A1, B)} | {sight.id: sight for sight in servers}
    return Snapshot(0.0, nodes, found, {ROUTER: at or router()})


def of(name: str, snapshot: Snapshot, record: Record = RECORD) -> NodeStanding:
    return next(n for n in standing(SPEC, record, snapshot).nodes if n.node.name == name)


def test_all_is_well() -> None:
    found = standing(SPEC, RECORD, seen())
    assert [(n.node.name, n.state) for n in found.nodes] == [
        ("a", "ready"),
        ("b", "ready"),
        ("lb", "routers only"),
    ]
    assert [(m.state, m.wanted, m.ready, m.serving) for m in found.models] == [("ready", 3, 3, 3)]
    assert found.routers[0].state == "running"
    assert found.healthy


@pytest.mark.parametrize(
    ("sight", "state", "reason"),
    [
        (ServerSight(A, error="connection refused"), "stopped", "connection refused"),
        (ServerSight(A), "stopped", "it does not answer"),
        (server(A, digits=ReplicaSight(ModelState.LOADING)), "loading", "digits"),
        (server(A, digits=ReplicaSight(ModelState.UNAVAILABLE, "no GPU")), "failed", "digits: no GPU"),
        (server(A, other=ReplicaSight(ModelState.READY)), "failed", "digits: not loaded"),
    ],
)
def test_a_node_is_told_by_its_server(sight: ServerSight, state: str, reason: str) -> None:
    found = standing(SPEC, RECORD, seen(sight))
    assert (found.nodes[0].state, found.nodes[0].reason) == (state, reason)
    assert not found.healthy


def test_of_several_servers_the_gravest_is_told() -> None:
    loading = server(A, digits=ReplicaSight(ModelState.LOADING))
    assert of("a", seen(loading, ServerSight(A1, error="refused"))).state == "stopped"


GIVEN = replace(
    SPEC,
    nodes=tuple(
        replace(n, servers=tuple(replace(s, gpus=(f"GPU-{s.id.server}",)) for s in n.servers))
        for n in SPEC.nodes
    ),
)
LISTED = {"gpus": "2", "gpu.0.uuid": "GPU-0", "gpu.1.uuid": "GPU-1"}


def test_a_server_whose_triton_sees_another_gpu_is_no_health() -> None:
    record = replace(RECORD, facts={"a": LISTED, "b": LISTED})
    right = seen(replace(server(A), gpus=("GPU-0",)), replace(server(A1), gpus=("GPU-1",)))
    assert standing(GIVEN, record, right).healthy
    found = standing(GIVEN, record, seen(replace(server(A1), gpus=("GPU-0",))))
    assert [(s.state, s.gpus) for s in found.nodes[0].servers] == [
        ("ready", "0 GPU-0"),
        ("wrong GPU", "1 GPU-1"),
    ]
    assert (found.nodes[0].state, found.nodes[0].reason) == (
        "wrong GPU",
        "Triton sees GPU-0 and was given GPU-1",
    )
    assert not found.healthy


def test_a_server_without_its_gpu_says_so_and_is_judged_by_its_answers() -> None:
    record = replace(RECORD, facts={"a": {"gpus": "1", "gpu.0.uuid": "GPU-0"}})
    found = standing(GIVEN, record, seen())
    assert [(s.state, s.reason) for s in found.nodes[0].servers] == [
        ("ready", ""),
        ("ready", "nvidia-smi does not list its GPU-1"),
    ]
    assert found.healthy
    died = standing(GIVEN, record, seen(ServerSight(A1, error="refused")))
    assert died.nodes[0].reason == "refused; nvidia-smi does not list its GPU-1"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "one per GPU; known after the first look"),
        ({"a": {"gpus": "0"}}, "one per GPU, and nvidia-smi lists no GPU"),
    ],
)
def test_a_node_that_has_no_server_yet_says_why(facts: dict[str, dict[str, str]], reason: str) -> None:
    per_gpu = replace(SPEC.nodes[0], servers=(), per_device=PerDevice("gpu", 9000))
    found = standing(spec([per_gpu], []), Record("r", facts=facts), seen())
    assert (found.nodes[0].state, found.nodes[0].reason) == ("no server", reason)
    assert not found.healthy


@pytest.mark.parametrize(
    ("sights", "state"), [([], "ready (ssh unreachable)"), ([ServerSight(B, error="refused")], "unreachable")]
)
def test_a_node_that_ssh_cannot_reach_may_serve_all_the_same(sights: list[ServerSight], state: str) -> None:
    found = of("b", seen(*sights, b=NodeSight("b", reachable=False, error="no route to host")))
    assert (found.state, found.reason) == (state, "no route to host")


def test_intent_stands_beside_what_is_seen_and_a_draining_node_spoils_nothing() -> None:
    intent = Intent("b", cordoned=True, draining=True, why="new disk")
    small = replace(SPEC, models=(model("digits", 2),))
    found = standing(small, replace(RECORD, intents={"b": intent}), seen(ServerSight(B, error="refused")))
    assert (found.nodes[1].intent, found.nodes[1].state) == (intent, "stopped")
    assert found.healthy


@pytest.mark.parametrize(
    ("sight", "released"),
    [
        (router(b0=SlotSight(DRAIN, True, 0, 0)), True),
        (router(b0=SlotSight(OFF, True, 0, 0)), True),
        (router(b0=SlotSight(DRAIN, True, 2, 0)), False),
        (router(b0=SlotSight(READY, True, 0, 0)), False),
        (replace(router(b0=SlotSight(DRAIN, True, 0, 0)), old_workers=(7,)), False),
        (RouterSight(ROUTER, running=False, error="no answer"), False),
    ],
)
def test_a_node_is_released_once_no_router_can_send_it_anything(sight: RouterSight, released: bool) -> None:
    assert of("b", seen(at=sight)).released is released


@pytest.mark.parametrize(
    ("slot", "state", "serving"),
    [
        (SlotSight(READY, True, 0, 0), "ready", 3),
        (SlotSight(READY, False, 0, 0), "short (2 of 3)", 2),
        (SlotSight(DRAIN, True, 0, 0), "short (2 of 3)", 2),
    ],
)
def test_a_replica_serves_when_routers_send_to_it(slot: SlotSight, state: str, serving: int) -> None:
    (found,) = standing(SPEC, RECORD, seen(at=router(b0=slot))).models
    assert (found.state, found.serving, found.ready) == (state, serving, 3)


def test_a_model_that_nobody_serves_has_failed_and_one_at_zero_is_off() -> None:
    down = [ServerSight(id, error="refused") for id in (A, A1, B)]
    assert standing(SPEC, RECORD, seen(*down)).models[0].state == "failed (no replica serves)"
    pinned = replace(RECORD, pins={"digits": Pin("digits", 0, over=3, by="ada")})
    assert standing(SPEC, pinned, seen(*down)).models[0].state == "off"


def test_what_is_in_flight_is_summed_for_server_node_model_and_router() -> None:
    at = router(a0=SlotSight(READY, True, 2, 1, total=10), a1=SlotSight(READY, True, 3, 0, total=20))
    found = standing(SPEC, RECORD, seen(at=at))
    assert [s.in_flight for s in found.nodes[0].servers] == [2, 3]
    assert (found.nodes[0].in_flight, found.models[0].in_flight, found.models[0].queued) == (5, 5, 1)
    assert (found.routers[0].in_flight, found.routers[0].requests) == (5, 30)


@pytest.mark.parametrize(
    ("sight", "state"),
    [
        (RouterSight(ROUTER, running=False), "stopped"),
        (RouterSight(ROUTER, running=False, error="no answer"), "unreachable"),
    ],
)
def test_a_router_that_does_not_run_is_no_health(sight: RouterSight, state: str) -> None:
    found = standing(SPEC, RECORD, seen(at=sight))
    assert found.routers[0].state == state
    assert not found.healthy


def test_without_a_router_the_record_says_who_serves() -> None:
    alone = spec([node("b")], [model("digits", 1)], routers=False)
    for slot, serving in ((READY, 1), (DRAIN, 0)):
        record = Record("r", replicas=frozenset({Replica(B, "digits", "d", slot)}))
        assert standing(alone, record, Snapshot(0.0, servers={B: server(B)})).models[0].serving == serving


@pytest.mark.parametrize(
    ("health", "state", "reason"),
    [
        (Health(A1, "hung", "timed out", 1.0), "hung", "timed out (for 9 s)"),
        (Health(A1, "crash loop", "3 times down", 4.0), "crash loop", "3 times down (for 6 s)"),
        (Health(A1, "ready", "", 1.0), "stopped", "refused"),  # nobody has judged it since
        (Health(A1, "starting", "", 1.0), "stopped", "refused"),
    ],
)
def test_what_a_controller_holds_of_a_silent_server_is_told(health: Health, state: str, reason: str) -> None:
    record = replace(RECORD, health={A1: health})
    snapshot = replace(seen(ServerSight(A1, error="refused")), at=10.0)
    found = of("a", snapshot, record)
    assert (found.state, found.reason) == (state, reason)


def test_what_a_controller_held_counts_no_more_once_the_server_answers() -> None:
    record = replace(RECORD, health={A1: Health(A1, "hung", "timed out", 1.0)})
    assert of("a", seen(), record).state == "ready"
