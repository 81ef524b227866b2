"""Explanations: the reason for each state is told, and what would change it is what would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from rehearsal import ROUTER, node
from wards import cluster, inside, silent, well, without
from wards import router as seen_by

from distctl.cluster.hours import HOUR
from distctl.cluster.record import Event, Health, Hour, Intent, Load, Pin, Power, PowerState, Record, Sized
from distctl.cluster.router import Lost, RouterSight, SlotState
from distctl.cluster.scaling import Autoscale
from distctl.cluster.snapshot import NodeSight, ServerSight, Silence, Snapshot
from distctl.cluster.spec import ServerId, Spec
from distctl.policy.explain.explain import explain
from distctl.policy.explain.healed import tries
from distctl.policy.explain.naming import Target, known, meant, subjects
from distctl.policy.explain.told import Explanation, Told, listed, span
from distctl.policy.pace import Day

A, B, C = (ServerId(name, "0") for name in "abc")
NOW = 1_000.0
SPEC, RECORD = cluster()


def told(
    *servers: ServerSight,
    spec: Spec = SPEC,
    record: Record = RECORD,
    nodes: Mapping[str, NodeSight] | None = None,
    router: RouterSight | None = None,
    led: bool = True,
    **more: object,
) -> Told:
    """A cluster of which all is well that is not said otherwise."""
    sights = {server.id: well(server.id) for server in spec.servers} | {s.id: s for s in servers}
    healthy = {id: sight.live for id, sight in sights.items()}
    seen = Snapshot(NOW, nodes or {}, sights, {ROUTER: router or seen_by(healthy)})
    return Told(spec, record, seen, led=led, **more)  # type: ignore[arg-type]


def of(kind: str, name: str, *servers: ServerSight, **how: object) -> Explanation:
    return explain(Target(kind, name), told(*servers, **how))  # type: ignore[arg-type]


def why(found: Explanation) -> str:
    return " ".join((*found.what, *found.why))


def change(found: Explanation) -> str:
    return " ".join(found.change)


# --- models -----------------------------------------------------------------------------------------


def scaled(**how: object) -> Spec:
    model = replace(SPEC.models[0], replicas=1, autoscale=Autoscale(1, 6, **how))  # type: ignore[arg-type]
    return replace(SPEC, models=(model,))


def test_a_model_that_is_well_says_where_it_is() -> None:
    found = of("model", "digits")
    assert found.state == "ready"
    assert "3 replicas wanted, 3 ready, 3 taking requests" in why(found)
    assert "3, because: the file says so" in why(found)
    assert all(f"On {server}: ready, takes requests" in why(found) for server in (A, B, C))
    assert "distctl scale digits=N" in change(found)


def test_a_pin_says_who_set_it_and_how_it_ends() -> None:
    pin = Pin("digits", 2, over=3, why="a sale", by="ann", since=NOW - 300)
    found = of("model", "digits", record=replace(RECORD, pins={"digits": pin}))
    assert '2, because: pinned by ann, "a sale"; the file says 3' in why(found)
    assert "The pin was set by ann, 5 min ago" in why(found)
    assert "`distctl scale digits=auto` ends the pin" in change(found)


def test_demand_says_its_reason_and_since_when() -> None:
    sized = Sized("digits", 3, 5, "load for 4.2 replicas, each 8 requests at once", NOW - 40)
    found = of("model", "digits", spec=scaled(), record=replace(RECORD, sized={"digits": sized}))
    assert "3, because: load for 4.2 replicas, each 8 requests at once, decided 40 s ago" in why(found)
    assert "Demand decides between 1 and 6, says the file" in why(found)
    assert "Demand asked for 5" in why(found)
    assert "No controller" not in why(found)


def test_without_a_controller_the_count_follows_nothing() -> None:
    assert "No controller runs" in why(of("model", "digits", spec=scaled(), led=False))
    assert "No controller runs" not in why(of("model", "digits", led=False)), "a fixed count needs none"


@pytest.mark.parametrize(
    ("spec", "record", "servers", "reason"),
    [
        (
            replace(SPEC, models=(replace(SPEC.models[0], where={"gpu": "a100"}),)),
            RECORD,
            (),
            "Not on d/0: its node has no label gpu=a100",
        ),
        (
            SPEC,
            replace(RECORD, intents={"d": Intent("d", cordoned=True, by="ann")}),
            (),
            "Not on d/0: its node is cordoned",
        ),
        (
            SPEC,
            replace(RECORD, intents={"d": Intent("d", draining=True, by="ann")}),
            (),
            "Not on d/0: its node is drained",
        ),
        (SPEC, RECORD, (silent(ServerId("d", "0"), Silence.LOST),), "Not on d/0: its node is not reached"),
        (
            SPEC,
            replace(RECORD, health={ServerId("d", "0"): Health(ServerId("d", "0"), "gone", "", 0.0)}),
            (silent(ServerId("d", "0"), Silence.REFUSED),),
            "Not on d/0: it is gone",
        ),
        (SPEC, RECORD, (), "Not on d/0: it would fit there, and all that are wanted are placed"),
    ],
)
def test_why_it_is_not_elsewhere(
    spec: Spec, record: Record, servers: tuple[ServerSight, ...], reason: str
) -> None:
    wider = replace(spec, nodes=(*spec.nodes, node("d")))
    assert reason in why(of("model", "digits", *servers, spec=wider, record=record))


def test_a_shortage_says_what_stands_in_the_way() -> None:
    four = replace(SPEC, models=(replace(SPEC.models[0], replicas=4),))
    found = of("model", "digits", spec=four)
    assert found.state == "short (3 of 4)"
    assert "3 of 4 can be placed (3 servers fit)" in change(found)


def test_a_replica_that_failed_says_why() -> None:
    found = of("model", "digits", without(A, "no such op"))
    assert "On a/0: without digits (digits: no such op)" in why(found)
    assert "it serves once its servers above do" in change(found)


def test_a_sleeping_model_says_that_requests_wake_it() -> None:
    spec = scaled(idle=60.0)
    asleep = replace(spec.models[0], autoscale=Autoscale(0, 6), replicas=0)
    record = replace(
        RECORD, sized={"digits": Sized("digits", 0, 0, "no request for 60s", 1.0)}, replicas=frozenset()
    )
    router = replace(seen_by({}), held={"digits": 2})
    found = of("model", "digits", spec=replace(spec, models=(asleep,)), record=record, router=router)
    assert found.state == "asleep"
    assert "2 requests held for a first server" in why(found)
    assert "its requests are held, 200 in each router for 1m at most." in why(found)
    assert "The first request wakes it" in change(found)


def test_its_requests_come_from_the_minutes_of_the_record() -> None:
    loads = tuple(Load(A, "digits", 600.0 + 60 * n, 1, 0, total) for n, total in enumerate((100, 700, 760)))
    found = of("model", "digits", loads=loads)
    assert "1.0 requests a second" in why(found)
    assert "at most 10.0 within the last hour" in why(found)


def test_its_day_comes_from_the_hours_of_the_record() -> None:
    at = NOW - HOUR
    hours = (
        Hour("digits", "", at, at, 1, 12_000, most=600, most_at=NOW - 900),
        Hour("digits", "a", at, at, 1, 9_000),
    )
    found = of("model", "digits", hours=hours)
    assert (
        "In the last 24 hours: 12,000 requests, at most 10.0 a second, 15 min ago; the most on a, 9,000."
        in why(found)
    )
    assert found.day == Day(12_000, 10.0, NOW - 900, "a", 9_000)
    assert of("model", "digits").day is None


def test_a_model_that_left_the_file() -> None:
    found = of("model", "digits", spec=replace(SPEC, models=()))
    assert found.state == "left the file"
    assert "a/0, b/0, c/0" in why(found)


# --- nodes and servers ------------------------------------------------------------------------------


def test_a_node_that_is_well() -> None:
    found = of("node", "a")
    assert (found.state, "a/0 is ready now." in found.why) == ("ready", True)
    assert "Nothing has to" in change(found)
    assert "No controller" not in why(of("node", "a", led=False)), "nothing is to be healed there"


def test_a_drained_node_says_who_and_how_it_comes_back() -> None:
    intent = Intent("a", draining=True, why="new disk", by="ann", since=NOW - 7200)
    found = of("node", "a", record=replace(RECORD, intents={"a": intent}))
    assert 'Drained by ann, 2 h ago: "new disk".' in why(found)
    assert "`distctl undrain a`" in change(found)


@pytest.mark.parametrize(
    ("sight", "held", "reason", "remedy"),
    [
        (
            silent(A, Silence.MUTE),
            "hung",
            "a/0 has been hung for 40 s: a/0 does not answer",
            "killed and started",
        ),
        (silent(A, Silence.LOST), "unreachable", "a/0 has been unreachable for 40 s", "after 5 min away"),
        (silent(A, Silence.REFUSED), "dead", "a/0 has been dead for 40 s", "`distctl logs a/0`"),
        (without(A), "without digits", "a/0 has been without digits for 40 s", "is given what is missing"),
        (
            silent(A, Silence.LOST),
            "gone",
            "controller holds it for gone, for 40 s",
            "placed elsewhere meanwhile",
        ),
        (silent(A, Silence.REFUSED), "hung", "holds it for hung, for 40 s", "started by its supervisor"),
        (well(A), "hung", "a/0 is ready now.", "killed and started"),
    ],
)
def test_health_has_its_reason_since_when_and_the_way_back(
    sight: ServerSight, held: str, reason: str, remedy: str
) -> None:
    because = sight.error or "unloaded"
    record = replace(RECORD, health={A: Health(A, held, because, NOW - 40)})
    found = of("node", "a", sight, record=record)
    assert reason in why(found)
    assert remedy in change(found)


def test_a_crash_loop_shows_its_logs_last_lines() -> None:
    record = replace(RECORD, health={A: Health(A, "crash loop", "its log ends: no such file", NOW - 90)})
    found = of("server", "a/0", silent(A, Silence.REFUSED), record=record, nodes={"a": inside(A, restarts=9)})
    assert "its log ends: no such file" in why(found)
    assert "started a/0 9 times" in why(found)
    assert "`distctl logs a/0` shows why it ends" in change(found)


def test_what_the_controller_did_and_when_it_tries_again() -> None:
    record = replace(RECORD, health={A: Health(A, "dead", "refused", NOW - 40)})
    events = tuple(Event(NOW - ago, "controller", "a/0", "a/0 is dead: refused") for ago in (40, 30, 10))
    found = of("node", "a", silent(A, Silence.REFUSED), record=record, events=events)
    passes = "The controller made 3 passes in a row for a/0, the last 10 s ago; another is not before 6 s"
    assert passes in why(found)
    assert found.last == events


def test_passes_long_ago_are_of_another_trouble() -> None:
    events = [Event(at, "controller", "a/0", "dead") for at in (0.0, 10.0, 900.0)]
    found = tries([*events, Event(901.0, "health", "a/0", "ready")])
    assert found is not None
    assert (found.count, found.at) == (1, 900.0)


def test_while_the_controller_holds_it_says_so() -> None:
    said = Event(
        NOW - 5, "health", "cluster", "2 of 3 servers turned bad within a minute (a/0 dead, b/0 dead): ..."
    )
    over = Event(NOW - 1, "health", "cluster", "healing goes on: nothing turned bad within the last minute")
    dead = silent(A, Silence.REFUSED)
    assert "Nothing is healed now: 2 of 3 servers turned bad" in why(of("node", "a", dead, cluster=(said,)))
    assert "Nothing is healed now" not in why(of("node", "a", dead, cluster=(said, over)))
    assert "nobody heals it" in why(of("node", "a", dead, cluster=(said,), led=False))


def test_gpus_and_their_trouble_are_told() -> None:
    facts = {"gpus": "1", "gpu.0.name": "Tesla T4", "gpu.0.uuid": "GPU-1", "gpu.0.trouble": "GPU is lost"}
    found = of("node", "a", record=replace(RECORD, facts={"a": facts}))
    assert "GPU 0: Tesla T4: GPU is lost." in why(found)
    assert "Its driver gave a GPU up" in why(found)
    assert "`distctl doctor --limit a`" in change(found)


def test_a_node_that_is_turned_off_is_no_trouble() -> None:
    power = Power("a", PowerState.OFF, NOW - 7200, "nothing was served for 30m", "controller", saved=3600.0)
    found = of("node", "a", silent(A, Silence.LOST), record=replace(RECORD, powers={"a": power}))
    assert found.state == "off"
    assert "It has been off for 2 h by controller: nothing was served for 30m." in why(found)
    assert "In all it was on for 0 s and off for 3 h." in why(found)
    assert "unreachable" not in why(found)
    assert "`distctl power on a` does it now" in change(found)
    assert "a/0" not in change(found)


def test_a_node_without_servers_and_one_that_is_not_reached() -> None:
    assert "It carries routers only" in why(of("node", "lb"))
    away = NodeSight("a", reachable=False, error="no route to host")
    found = of("node", "a", nodes={"a": away})
    assert found.state == "ready (ssh unreachable)"
    assert "The machine itself is not reached: no route to host." in why(found)


# --- routers ----------------------------------------------------------------------------------------


def test_a_router_that_is_well() -> None:
    found = of("router", "main@lb", configs={ROUTER: ""})
    assert found.state == "running"
    assert "REST 8000, gRPC 8001, metrics 8002" in why(found)
    assert "`distctl router drain main@lb`" in change(found)


def test_a_router_says_what_differs() -> None:
    slots = seen_by({A: True, B: False, C: True})
    closed = replace(slots.slots[2][2], state=SlotState.OFF)
    router = replace(
        slots,
        slots=(*slots.slots[:2], (*slots.slots[2][:2], closed)),
        config="old",
        old_workers=(7,),
        lost=(Lost(NOW - 60, "digits", "r1", "10.0.0.9", (A, B)),),
    )
    text = why(found := of("router", "main@lb", router=router, configs={ROUTER: "new"}))
    assert "Its configuration is not what the record and the file ask for now." in text
    assert "digits on c/0 is off and is to be ready" in text
    assert "Its checks fail of digits on b/0" in text
    assert "1 worker from before a reload still serve" in text
    assert "request r1 to digits" in text
    assert "`distctl up` makes it so" in change(found)


def test_a_router_that_was_drained_and_one_that_is_silent() -> None:
    intent = Intent("main@lb", draining=True, by="ann", since=NOW - 60)
    found = of("router", "main@lb", record=replace(RECORD, intents={"main@lb": intent}))
    assert "Drained by ann, 60 s ago." in why(found)
    assert "`distctl router undrain main@lb`" in change(found)
    silent_one = RouterSight(ROUTER, running=False, error="timed out")
    found = of("router", "main@lb", router=silent_one)
    assert (found.state, "timed out" in why(found)) == ("unreachable", True)


# --- names ------------------------------------------------------------------------------------------


def test_names_mean_what_is_called_so() -> None:
    both = replace(SPEC, nodes=(*SPEC.nodes, node("digits")))
    names = known(both, RECORD)
    assert meant("a/0", names) == [Target("server", "a/0")]
    assert meant("main", names) == [Target("router", "main@lb")]
    assert meant("main@lb", names) == [Target("router", "main@lb")]
    assert meant("digits", names) == [Target("node", "digits"), Target("model", "digits")]
    assert meant("model/digits", names) == [Target("model", "digits")]
    assert meant("router/digits", names) == []
    assert meant("nothing", names) == []


def test_events_of_a_node_are_those_of_its_servers_too() -> None:
    assert subjects(Target("node", "a"), SPEC) == ("a", "node a", "a/0")
    assert subjects(Target("router", "main@lb"), SPEC) == ("main@lb", "router main@lb")


def test_words_for_times_and_lists() -> None:
    assert [span(s) for s in (0.4, 119, 120, 7199, 7200, 200_000)] == [
        *("0 s", "119 s", "2 min", "120 min", "2 h", "2 days")
    ]
    assert listed("abcdef") == "a, b, c, d and 2 more"
