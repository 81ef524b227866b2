"""A small cluster as its controller knows it: whole, and with everything wrong at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Intent, Pin, Power, PowerState, Record, Replica, Sized
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import Instant, ModelState, ReplicaSight, ServerSight, Snapshot
from distctl.cluster.spec import Autoscale, ServerId, Spec
from distctl.policy.decision import Seen
from distctl.policy.healing import Ward
from distctl.policy.health import Verdict
from distctl.policy.outlook import Outlook, Passes
from distctl.policy.symptoms import Kind, Symptom

A, B = ServerId("a", "0"), ServerId("b", "0")
HOSTILE = "</td><script>alert(1)</script>"  # what a node may answer

Totals = Mapping[ServerId, int]


def spec_of_two() -> Spec:
    """Two nodes, a model of two replicas and one that follows demand."""
    found = spec([node("a"), node("b")], [model("digits", 2), model("chat", 0)])
    digits, chat = found.models
    return replace(found, models=(digits, replace(chat, autoscale=Autoscale(0, 3))))


def record_of_two() -> Record:
    """Everything placed; somebody cordoned a node, pinned a model, and demand decided."""
    places = frozenset(Replica(server, "digits", "d", SlotState.READY) for server in (A, B))
    return Record(
        "r",
        replicas=places,
        intents={"b": Intent("b", cordoned=True, by="ann@desk", why=HOSTILE)},
        pins={"digits": Pin("digits", 2, 2, by="ann@desk")},
        powers={"a": Power("a", PowerState.ON, since=900.0, used=50.0, saved=70.0)},
        sized={"chat": Sized("chat", 0, 3, f"load for 3.0 replicas {HOSTILE}", 900.0)},
    )


def whole(at: Instant, totals: Totals = {A: 70, B: 30}) -> Seen:  # noqa: B006 - only read
    """All is well, and requests are under way."""
    ready = {"digits": ReplicaSight(ModelState.READY)}
    servers = {id: ServerSight(id, live=True, ready=True, replicas=ready, at=at) for id in (A, B)}
    slots = tuple(("digits", id, SlotSight(SlotState.READY, True, 2, 1, total=n)) for id, n in totals.items())
    routers = {ROUTER: RouterSight(ROUTER, True, pid=1, slots=slots, held={"chat": 0})}
    return Seen(spec_of_two(), record_of_two(), Snapshot(at, {}, servers, routers))


def ruined(at: Instant) -> Seen:
    """Nothing answers but a router that holds requests."""
    servers = {id: ServerSight(id, error=f"connection refused {HOSTILE}", at=at) for id in (A, B)}
    routers = {ROUTER: RouterSight(ROUTER, True, pid=1, held={"chat": 4})}
    return Seen(spec_of_two(), record_of_two(), Snapshot(at, {}, servers, routers))


def ward(kind: Kind, held: str = "") -> Ward:
    """The same verdict on both servers."""
    return Ward({id: Verdict(Symptom(kind)) for id in (A, B)}, held=held)


def outlook(seen: Seen, **other: object) -> Outlook:
    """What a leading controller knows after a while."""
    usual = Outlook(True, seen, ward(Kind.READY), passes=Passes(3, 1, 8.5))
    return replace(usual, **other)
