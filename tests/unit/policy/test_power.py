"""Nodes go off when they serve nothing and nothing needs their room, and come on when something does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import ROUTER
from wards import cluster, router, silent, well

from distctl.cluster.power import Power, PowerSpec, PowerState
from distctl.cluster.record import AddEvent, Change, Health, Intent, Pin, Record, Replica, SetPower, apply
from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.snapshot import Instant, ServerSight, Silence, Snapshot
from distctl.cluster.spec import RouterId, ServerId, Spec
from distctl.policy.decision import Decision, Seen
from distctl.policy.healing import watched
from distctl.policy.power import BLIND, LIMIT, SURE, Idleness, busy, power, stands

IDLE, BOOT = 60.0, 30.0
WAY = PowerSpec(("wake", "{node}"), ("sleep", "{node}"), idle_for=IDLE, boot=BOOT)


class Story:
    """Machines in virtual time: what is decided is done at once, as a pass and the commands would."""

    def __init__(self, names: str = "abc", wanted: int = 1, *, boots: float = 10.0, dead: str = "") -> None:
        spec, record = cluster(names)
        self.spec: Spec = replace(
            spec, nodes=tuple(replace(n, power=WAY if n.serves else None) for n in spec.nodes)
        )
        self.record: Record = replace(record, replicas=frozenset())
        self.boots, self.dead = boots, dead
        self.now: Instant = 1000.0
        self.on = dict.fromkeys(names, True)
        self.due: dict[str, Instant] = {}  # when a machine that was turned on has come
        self.memory = Idleness()
        self.said: list[str] = []
        self.turns: list[tuple[Instant, Power]] = []
        self.want(wanted)

    def want(self, number: int) -> None:
        """`scale digits=N`."""
        pin = Pin("digits", number, self.spec.model("digits").replicas)
        self.record = replace(self.record, pins={"digits": pin})

    def pass_(self) -> None:
        """Place what fits on machines that are there and not shut, as a pass does."""
        number = self.record.pins["digits"].count
        has = sorted(r.server for r in self.record.replicas)
        open_ = [s.id for s in self.spec.servers if self.on[s.id.node] and s.id.node not in self.record.shut]
        free = [server for server in open_ if server not in has]
        kept = [*has, *free][:number]
        self.record = replace(
            self.record, replicas=frozenset(Replica(s, "digits", "1", SlotState.READY) for s in kept)
        )

    def second(self) -> list[Decision]:
        self.now += 1.0
        for name, at in list(self.due.items()):
            if self.now >= at:
                self.on[name] = True
                del self.due[name]
        self.memory, decisions, news = power(self.memory, self.seen())
        for change in (*news, *(c for d in decisions for c in d.changes)):
            self._take(change)
        self.pass_()
        return decisions

    def _take(self, change: Change) -> None:
        self.record = apply(self.record, change)
        if isinstance(change, AddEvent):
            self.said.append(change.event.text)
        if isinstance(change, SetPower):
            turned = change.power
            self.turns.append((self.now, turned))
            if turned.state is PowerState.STOPPING:
                assert not any(r.server.node == turned.node for r in self.record.replicas), "it serves"
                self.on[turned.node] = False
            if turned.state is PowerState.BOOTING and turned.node not in self.dead:
                self.due[turned.node] = self.now + self.boots

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.second()

    def seen(self, **more: ServerSight) -> Seen:
        sights = {s.id: more.get(s.id.node) or self._sight(s.id) for s in self.spec.servers}
        slots = {r.server: True for r in self.record.replicas}
        return Seen(
            self.spec, self.record, Snapshot(self.now, servers=sights, routers={ROUTER: router(slots)})
        )

    def _sight(self, server: ServerId) -> ServerSight:
        if not self.on[server.node]:
            return silent(server, Silence.LOST)
        placed = any(r.server == server for r in self.record.replicas)
        return well(server) if placed else ServerSight(server, live=True, ready=True)

    def state(self, node: str) -> PowerState:
        return self.record.powers[node].state

    @property
    def off(self) -> set[str]:
        return {n for n, p in self.record.powers.items() if p.state is PowerState.OFF}


def test_what_serves_nothing_goes_off_after_its_time_and_not_before() -> None:
    story = Story(wanted=1)
    story.run(IDLE)
    assert story.record.shut == frozenset()
    story.run(SURE + 3)
    assert story.off == {"b", "c"} and story.state("a") is PowerState.ON
    assert any(text.startswith("b is off: idle: it has served nothing for 6") for text in story.said)


def test_a_node_comes_on_when_placement_lacks_room_and_no_more_than_that() -> None:
    story = Story(wanted=1)
    story.run(IDLE + 10)
    story.want(2)
    (decision,) = story.second()
    assert decision.reason.endswith("digits: 1 of 2 replicas have room")
    story.run(story.boots + 3)
    assert len(story.off) == 1 and len(story.record.replicas) == 2
    story.run(IDLE * 3)
    assert len(story.off) == 1, "what serves stays on"


def test_what_was_used_last_comes_on_first() -> None:
    story = Story(wanted=1)
    story.run(IDLE + 10)
    powers = {**story.record.powers, "b": replace(story.record.powers["b"], since=story.now - 5)}
    story.record = replace(story.record, powers=powers)
    story.want(2)
    assert [d.subject for d in story.second() if d.changes] == ["b"]


def test_one_that_does_not_come_is_said_and_another_is_taken_and_it_is_tried_again_later() -> None:
    story = Story(wanted=1, dead="b")
    story.run(IDLE + 10)
    powers = {**story.record.powers, "b": replace(story.record.powers["b"], since=story.now - 5)}
    story.record = replace(story.record, powers=powers)
    story.want(2)
    story.run(BOOT + 3)
    assert any("b is off: it did not come within 31 s; try 1" in text for text in story.said)
    assert story.state("c") is PowerState.BOOTING
    story.run(story.boots + 2)
    story.want(3)
    story.run(BOOT * 20)
    tries = [at for at, turned in story.turns if turned.node == "b" and turned.state is PowerState.BOOTING]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert len(tries) >= 4 and gaps == sorted(gaps), "ever longer"


def test_passes_look_for_a_node_that_boots_often_once_it_answers() -> None:
    story = Story(names="ab", wanted=1, boots=1e9)
    story.run(IDLE + 10)
    story.want(2)
    story.second()
    refused = {"b": silent(ServerId("b", "0"), Silence.REFUSED)}
    found = []
    for _ in range(12):
        story.now += 1.0
        story.memory, decisions, _ = power(story.memory, story.seen(**refused))
        found += [d.reason for d in decisions]
    assert found == [f"b answers and is set up, {n} s after it was turned on" for n in (5, 10)]
    assert BLIND < BOOT


def test_a_machine_that_answers_at_the_end_of_its_time_is_on_whatever_its_servers_say() -> None:
    story = Story(names="ab", wanted=1, boots=1e9)
    story.run(IDLE + 10)
    story.want(2)
    story.second()
    story.now += BOOT + 1
    _, _, news = power(story.memory, story.seen(b=silent(ServerId("b", "0"), Silence.REFUSED)))
    assert isinstance(news[0], SetPower) and news[0].power.state is PowerState.ON


def test_one_that_does_not_go_off_counts_as_on_and_one_that_somebody_else_turned_on_too() -> None:
    story = Story(wanted=1)
    story.run(IDLE + 1)
    assert story.state("b") is PowerState.STOPPING
    story.on["b"] = True
    story.run(LIMIT + SURE + 1)
    assert story.state("b") is PowerState.ON
    assert any("b is on: it did not go off within" in text for text in story.said)
    assert story.state("c") is PowerState.OFF
    story.on["c"] = True
    story.run(SURE + 2)
    assert story.state("c") is PowerState.ON


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"intents": {"b": Intent("b", cordoned=True)}}, "an operator has spoken of it"),
        ({"known": {}}, "it was not set up yet"),
        ({"routers": frozenset({RouterId("main", "b")})}, "the router main@b runs there"),
        ({"replicas": frozenset({Replica(ServerId("b", "0"), "other")})}, "other is placed there"),
        ({}, ""),
    ],
)
def test_what_keeps_a_node_on(change: dict[str, object], why: str) -> None:
    story = Story(wanted=1)
    story.pass_()
    seen = replace(story.seen(), record=replace(story.record, **change))  # type: ignore[arg-type]
    assert busy(story.spec.node("b"), seen) == why


def test_nothing_goes_off_while_a_router_cannot_be_asked() -> None:
    story = Story(wanted=1)
    story.pass_()
    blind = replace(story.seen().snapshot, routers={ROUTER: RouterSight(ROUTER, running=False, error="cut")})
    assert "cannot be asked" in busy(story.spec.node("b"), replace(story.seen(), snapshot=blind))


def test_a_decision_does_not_stand_once_something_was_placed_there() -> None:
    story = Story(wanted=1)
    story.run(IDLE)
    before = story.record
    decisions = story.second()
    off = next(d for d in decisions if d.subject == "b")
    assert stands(off, before)
    placed = Replica(ServerId("b", "0"), "digits", "1", SlotState.READY)
    assert not stands(off, replace(before, replicas=before.replicas | {placed}))
    assert not stands(off, story.record), "it is done already"


def test_an_off_node_is_nobodys_patient_and_hours_are_counted() -> None:
    story = Story(wanted=1)
    story.run(IDLE + 10)
    assert {server.node for server in watched(story.spec, story.record)} == {"a"}
    counted = story.record.powers["b"].counted(story.now + 3600)
    assert counted.saved == pytest.approx(3600 + story.now - counted.since)
    assert counted.used + counted.saved == pytest.approx(story.now + 3600 - 1001)


def test_a_node_that_is_only_coming_is_no_patient_before_it_came() -> None:
    story = Story(names="ab", wanted=1)
    story.run(IDLE + 10)
    story.want(2)
    story.second()
    assert {server.node for server in watched(story.spec, story.record)} == {"a"}
    story.run(story.boots + 1)
    assert {server.node for server in watched(story.spec, story.record)} == {"a", "b"}


def test_a_node_that_is_lost_makes_room_elsewhere() -> None:
    story = Story(wanted=1)
    story.run(IDLE + 10)
    gone = ServerId("a", "0")
    story.record = replace(story.record, health={gone: Health(gone, "gone", "cut", story.now)})
    story.on["a"] = False
    assert [d.subject for d in story.second() if d.changes][:1] == ["b"]


@settings(max_examples=15)
@given(
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 200)), min_size=1, max_size=8),
    boots=st.floats(1, 60),
)
def test_bounds_are_kept_whatever_is_wanted(steps: list[tuple[int, int]], boots: float) -> None:
    story = Story("abcd", wanted=1, boots=boots)
    for wanted, seconds in steps:
        story.want(wanted)
        story.run(seconds)
    for name in "abcd":
        turns = [(at, p.state) for at, p in story.turns if p.node == name]
        ons = [at for at, state in turns if state is PowerState.ON]
        offs = [at for at, state in turns if state is PowerState.STOPPING]
        assert all(off - max(on for on in ons if on <= off) >= IDLE for off in offs), "it flaps"
    story.run(boots + BOOT * 8)
    assert len(story.record.replicas) == story.record.pins["digits"].count, "it came when it was needed"
