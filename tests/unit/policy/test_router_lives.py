"""Routers live place by place: who runs, who ends when, and what an operator may say. All in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plans import said, waits
from rehearsal import Operator, Rehearsal, model, node, spec

from distctl.app.change import Prepared, prepare
from distctl.app.router_wishes import (
    count_changes,
    dead,
    end_changes,
    parse_counts,
    parse_places,
    refuse_routerless,
    run_changes,
)
from distctl.cluster.record import Change
from distctl.cluster.router import RouterSight
from distctl.cluster.spec import RouterId
from distctl.errors import DrainExpired, InputError, Refused
from distctl.policy.peers import peers_of
from distctl.policy.plan import Plan
from distctl.policy.router_drain import RouterDrain, RouterStep, next_router_step, seen

ONE, TWO = RouterId("main", "lb"), RouterId("main", "lb2")


@pytest.fixture
def operator() -> Operator:
    """Two nodes behind a router that runs on two places."""
    made = Operator(spec([node("a"), node("b"), node("lb2", servers=0)], [model("digits", 2)]))
    main = made.spec.routers[0]
    made.spec = replace(made.spec, routers=(replace(main, on=("lb", "lb2")),))
    made.up()
    return made


def runs(operator: Operator) -> set[str]:
    return {str(id) for id, router in operator.cluster.routers.items() if router.view is not None}


def walk(operator: Operator, make: Any, *, force: bool = False, crash: int | None = None) -> Plan:
    """A command of `distctl router`, as the command line walks it."""

    def changed(session: Rehearsal, keeper: Any) -> Prepared:
        changes: list[Change] = make(session, prepared := prepare(session, keeper))
        after = refuse_routerless(session, prepared, changes, force=force)
        session.store.commit(keeper.lease.token, changes)
        return after

    return operator._do("router", changed, crash, force=force)


def end(operator: Operator, *names: str, stopped: bool = False, force: bool = False) -> Plan:
    def make(session: Rehearsal, prepared: Prepared) -> list[Change]:
        chosen = parse_places(session, names)
        changes = end_changes(session, chosen, stopped=stopped, why="kernel")
        return [*changes, *(dead(prepared, chosen) if force else ())]

    return walk(operator, make, force=force)


def run_again(operator: Operator, *names: str) -> Plan:
    return walk(
        operator,
        lambda session, _: run_changes(session, parse_places(session, names), "router launch", ""),
    )


def scale(operator: Operator, *words: str, force: bool = False) -> Plan:
    return walk(
        operator,
        lambda session, _: count_changes(session, parse_counts(session, words), ""),
        force=force,
    )


def test_a_drained_router_ends_stays_away_over_up_and_comes_back(operator: Operator) -> None:
    plan = end(operator, "main@lb2")
    assert [text for text, _ in said(plan)] == ["drain router main@lb2"]
    assert "kernel" in said(plan)[0][1]
    assert runs(operator) == {"main@lb"}
    assert operator.up().empty and operator.plan().empty
    operator.drain("a")  # asks the one that runs alone, and launches nothing
    assert runs(operator) == {"main@lb"} and operator.promise.kept()
    run_again(operator, "main@lb2")
    assert runs(operator) == {"main@lb", "main@lb2"}
    assert operator.plan().empty


def test_a_stopped_router_is_forgotten_until_it_is_launched(operator: Operator) -> None:
    end(operator, "main@lb2", stopped=True)
    assert operator.cluster.store.record.routers == {ONE}
    assert operator.plan().empty
    run_again(operator)
    assert operator.cluster.store.record.routers == {ONE, TWO}


def test_the_last_place_of_a_router_is_left_by_force_alone(operator: Operator) -> None:
    with pytest.raises(Refused, match="router main would run nowhere"):
        end(operator, "main")
    assert runs(operator) == {"main@lb", "main@lb2"} and not operator.cluster.store.record.intents
    end(operator, "main", force=True)
    assert runs(operator) == set()


def test_scale_pins_a_count_of_places_until_auto_or_until_the_file_changes(operator: Operator) -> None:
    plan = scale(operator, "1")
    assert said(plan) == [("stop router main@lb2", "scaled to 1 of 2 places")]
    assert operator.up().empty
    scale(operator, "main=auto")
    assert runs(operator) == {"main@lb", "main@lb2"}
    scale(operator, "main=1")
    main = operator.spec.routers[0]
    operator.spec = replace(
        operator.spec,
        nodes=(*operator.spec.nodes, node("lb3", servers=0)),
        routers=(replace(main, on=("lb", "lb2", "lb3")),),
    )
    operator.up()
    assert runs(operator) == {"main@lb", "main@lb2", "main@lb3"}


def test_a_drained_place_does_not_count_and_its_replacement_is_up_first(operator: Operator) -> None:
    scale(operator, "1")
    plan = end(operator, "main@lb")
    assert waits(plan, "drain router main@lb", "launch router main@lb2")
    assert runs(operator) == {"main@lb2"}


def test_servers_leave_only_after_a_router_that_ends(operator: Operator) -> None:
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan = end(operator, "main@lb2")
    assert waits(plan, "drain digits of b/0", "drain router main@lb2")


def test_a_router_with_requests_at_the_deadline_goes_on_and_the_next_command_waits_again(
    operator: Operator,
) -> None:
    router = operator.cluster.routers[TWO]
    assert router.view is not None
    slot = router.view.pools[0].slots[0].server
    router.in_flight["digits", slot], router.ending = 1, 0
    with pytest.raises(DrainExpired, match="1 in flight"):
        end(operator, "main@lb2")
    assert router.view is not None and router.stopping
    router.ending = 1
    operator.up()
    assert router.view is None and operator.promise.kept()


def test_an_unreachable_router_blocks_until_it_is_stopped_by_force(operator: Operator) -> None:
    operator.cluster.routers[TWO].reachable = False
    end(operator, "main@lb2", stopped=True, force=True)
    assert operator.plan().skipped == ()
    operator.drain("a")
    assert operator.promise.kept()


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (["mian=1"], "there is no router 'mian'", "did you mean `main`?"),
        (["3"], "main has 2 places: lb, lb2", "add one to `on:` in the inventory"),
        (["main=two"], "'main=two' is not NAME=N or NAME=auto", "distctl router scale main=2"),
    ],
)
def test_a_count_that_cannot_be_is_refused(
    operator: Operator, words: list[str], problem: str, hint: str
) -> None:
    with pytest.raises(InputError) as refused:
        parse_counts(operator.session(), words)
    assert (refused.value.message, refused.value.hint, refused.value.exit_code) == (problem, hint, 2)


def test_names_mean_all_places_or_one(operator: Operator) -> None:
    session = operator.session()
    assert parse_places(session, []) == parse_places(session, ["main"]) == [ONE, TWO]
    assert parse_places(session, ["main@lb2"]) == [TWO]
    with pytest.raises(InputError, match="there is no router 'main@lb3'"):
        parse_places(session, ["main@lb3"])


RUNNING = RouterSight(ONE, running=True)
BEGUN = RouterDrain(begun=100.0, lame_duck=10.0, deadline=130.0)


@pytest.mark.parametrize(
    ("sight", "now", "step", "reason"),
    [
        (RUNNING, 104.0, RouterStep.WAIT, "its health path says that it goes; serves on for 6 s"),
        (RUNNING, 110.0, RouterStep.CLOSE, "its health path says that it goes; serves on for 0 s"),
        (replace(RUNNING, stopping=True), 111.0, RouterStep.WAIT, "nothing in flight; clients are"),
        (replace(RUNNING, stopping=True, held={"m": 2}), 111.0, RouterStep.WAIT, "2 in flight"),
        (replace(RUNNING, stopping=True, held={"m": 2}), 130.0, RouterStep.EXPIRE, "2 in flight"),
        (replace(RUNNING, stopping=True), 130.0, RouterStep.HALT, "nothing in flight for 19 s"),
        (replace(RUNNING, error="gone"), 111.0, RouterStep.WAIT, "no answer: gone"),
        (replace(RUNNING, error="gone"), 130.0, RouterStep.EXPIRE, "no answer: gone"),
        (RouterSight(ONE, running=False), 111.0, RouterStep.HALT, "it has ended with its last"),
    ],
)
def test_the_steps_of_a_routers_end(sight: RouterSight, now: float, step: RouterStep, reason: str) -> None:
    drain = seen(seen(BEGUN, replace(RUNNING, stopping=True), 111.0), sight, now)
    decision = next_router_step(drain, sight, now)
    assert decision.step is step and decision.reason.startswith(reason)


def test_clients_that_do_not_listen_are_left_behind_after_a_while() -> None:
    quiet = replace(RUNNING, stopping=True)
    drain = seen(replace(BEGUN, deadline=400.0), quiet, 111.0)
    assert next_router_step(seen(drain, quiet, 145.0), quiet, 145.0).step is RouterStep.WAIT
    assert next_router_step(seen(drain, quiet, 146.0), quiet, 146.0).step is RouterStep.HALT
    again = seen(drain, replace(quiet, held={"m": 1}), 140.0)
    assert next_router_step(seen(again, quiet, 146.0), quiet, 146.0).step is RouterStep.WAIT


def test_places_that_reach_each_other_are_peers(operator: Operator) -> None:
    hosts = {"lb": "10.0.0.1", "lb2": "10.0.0.2"}
    found = peers_of(operator.spec, ONE, hosts.__getitem__)
    assert [(peer.place, str(peer.endpoint)) for peer in found] == [
        ("lb", "10.0.0.1:8003"),
        ("lb2", "10.0.0.2:8003"),
    ]
    assert peers_of(operator.spec, ONE, {**hosts, "lb2": "127.0.0.1"}.__getitem__) == ()
    assert peers_of(operator.spec, ONE, {**hosts, "lb2": "no-address"}.__getitem__) == ()
    assert peers_of(operator.spec, RouterId("main", "old"), hosts.__getitem__) == ()
