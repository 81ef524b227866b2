"""Changes made side by side share a router's turns, and nobody goes on before the router knows of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest
from rehearsal import ROUTER, Operator, Rehearsal, model, node, spec, view_of

from distctl.cluster.router import RouterSight, RouterView, SlotState
from distctl.cluster.spec import ServerId
from distctl.control.routing import Routing
from distctl.errors import DrainExpired, RouterError, Unreachable
from distctl.testing import FakeRouter
from distctl.testing.serving import states

SERVERS = [ServerId(name, "0") for name in "abcdef"]
MODEL = "digits"


class SlowRouter:
    """A router whose first turn takes until `go` is set; `begun` says that it is at it."""

    def __init__(self, inner: FakeRouter) -> None:
        self.inner, self.begun, self.go, self.turns = inner, Event(), Event(), 0

    def apply(self, view: RouterView, *, deadline: float) -> str:
        self.turns += 1
        self.begun.set()
        assert self.go.wait(10)
        return self.inner.apply(view, deadline=deadline)

    def look(self) -> RouterSight:
        return self.inner.look()

    def stop(self, *, deadline: float) -> None:
        self.inner.stop(deadline=deadline)

    def ready(self) -> set[ServerId]:
        found = states(self.inner.view) if self.inner.view else {}
        return {server for (_, server), state in found.items() if state is SlotState.READY}


def bench() -> tuple[Operator, Rehearsal, int]:
    operator = Operator(spec([node(s.node) for s in SERVERS], [model(MODEL, 6)]))
    session = operator.session()
    return operator, session, session.store.acquire("me", "test", seconds=60).token


def test_who_joins_waits_until_its_own_slot_is_told_and_several_are_told_at_once() -> None:
    operator, session, token = bench()
    slow = SlowRouter(operator.cluster.router(ROUTER))
    recorded = {server: Event() for server in SERVERS}
    routing = Routing(replace(session.world, router=lambda _: slow), token, [ROUTER])
    operator.cluster.calls.watch = lambda _: [
        recorded[replica.server].set() for replica in operator.cluster.store.record.replicas
    ]

    def join(server: ServerId) -> bool:
        routing.join(server, (MODEL,))
        return server in slow.ready()

    with ThreadPoolExecutor(len(SERVERS)) as pool:
        first = pool.submit(join, SERVERS[0])
        assert slow.begun.wait(10)
        others = [pool.submit(join, server) for server in SERVERS[1:]]
        assert all(event.wait(10) for event in recorded.values())
        slow.go.set()
        assert [future.result(10) for future in (first, *others)] == [True] * len(SERVERS)
    assert slow.turns <= len(SERVERS)


def test_a_turn_that_failed_serves_nobody() -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER])
    operator.cluster.calls.fail("apply", RouterError("no"))
    with pytest.raises(RouterError):
        routing.bring(ROUTER)
    assert routing.bring(ROUTER) == "launched"


def test_every_router_is_tried_before_an_error_is_told() -> None:
    operator, session, token = bench()
    two = replace(ROUTER, place="lb2")
    operator.cluster.router(ROUTER).reachable = False
    routing = Routing(session.world, token, [ROUTER, two])
    with pytest.raises(RouterError, match="main@lb: no answer"):
        routing.join(SERVERS[0], (MODEL,))
    assert operator.cluster.router(two).view is not None
    assert operator.cluster.router(ROUTER).view is None


TWO = replace(ROUTER, place="lb2")


class Away(FakeRouter):
    """A router whose place cannot be reached."""

    def apply(self, view: RouterView, *, deadline: float) -> str:
        raise Unreachable(self.id.place, "looking at the router's folder", "no route to host")


def test_a_router_that_cannot_be_reached_keeps_nothing_from_joining_the_others() -> None:
    operator, session, token = bench()
    away = Away(TWO)
    world = replace(session.world, router=lambda id: away if id == TWO else operator.cluster.router(id))
    routing = Routing(world, token, [ROUTER, TWO])
    for server in SERVERS[:2]:
        late = routing.join(server, (MODEL,))
        assert late is not None
        assert late.exit_code == 3
        assert "router main@lb2 (lb2: looking at the router's folder: no route to host)" in late.message
    assert set(SERVERS[:2]) <= {
        s
        for (_, s), state in states(view_of(operator.cluster.router(ROUTER))).items()
        if state is SlotState.READY
    }
    with pytest.raises(Unreachable):
        routing.leave(SERVERS[0], (MODEL,), rest=False, seconds=5, force=False, report=lambda _: None)


def test_what_is_announced_is_checked_and_gets_nothing_until_it_joins() -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER])

    def state(server: ServerId) -> SlotState:
        return states(view_of(operator.cluster.router(ROUTER)))[MODEL, server]

    for server in SERVERS[:2]:
        routing.announce(server, MODEL)
    assert [state(server) for server in SERVERS[:3]] == [SlotState.DRAIN, SlotState.DRAIN, SlotState.OFF]
    assert operator.cluster.store.record.replica(SERVERS[0], MODEL) is None
    routing.join(SERVERS[0], (MODEL,))
    assert [state(server) for server in SERVERS[:2]] == [SlotState.READY, SlotState.DRAIN]
    routing.withdraw()
    assert [state(server) for server in SERVERS[:2]] == [SlotState.READY, SlotState.OFF]


def test_what_was_announced_and_leaves_is_closed() -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER])
    routing.announce(SERVERS[0], MODEL)
    routing.join(SERVERS[0], (MODEL,))
    routing.leave(SERVERS[0], (MODEL,), rest=False, seconds=5, force=False, report=lambda _: None)
    assert states(view_of(operator.cluster.router(ROUTER)))[MODEL, SERVERS[0]] is SlotState.OFF


def test_a_router_that_does_not_take_an_announcement_is_told_of_when_it_joins() -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER])
    operator.cluster.router(ROUTER).reachable = False
    routing.announce(SERVERS[0], MODEL)
    with pytest.raises(RouterError, match="no answer"):
        routing.join(SERVERS[0], (MODEL,))


def test_where_no_router_can_be_reached_nothing_joins() -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER, TWO], silent={ROUTER: "no answer", TWO: "no route"})
    with pytest.raises(
        RouterError, match=r"no router was told.*main@lb \(no answer\); .*main@lb2 \(no route\)"
    ):
        routing.join(SERVERS[0], (MODEL,))
    assert operator.cluster.calls.changes[-1].startswith("store: commit")


@pytest.mark.parametrize("force", [False, True])
def test_at_the_deadline_nothing_is_cut_unless_it_is_forced(force: bool) -> None:
    operator, session, token = bench()
    routing = Routing(session.world, token, [ROUTER])
    routing.join(SERVERS[0], (MODEL,))
    router = operator.cluster.router(ROUTER)
    router.in_flight[MODEL, SERVERS[0]], router.ending = 2, 0
    said: list[str] = []

    def leave() -> None:
        routing.leave(SERVERS[0], (MODEL,), rest=False, seconds=5, force=force, report=said.append)

    if force:
        leave()
        assert operator.cluster.lost == [f"main@lb: 2 requests of {MODEL} on a/0 when its slot was closed"]
    else:
        with pytest.raises(DrainExpired, match="2 requests still in flight at the deadline after 5 s"):
            leave()
        assert operator.cluster.lost == []
    slot = operator.cluster.store.record.places[SERVERS[0], MODEL].slot
    assert slot is (SlotState.OFF if force else SlotState.DRAIN)
    assert "2 in flight" in said
