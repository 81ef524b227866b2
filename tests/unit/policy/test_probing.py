"""When a replica is sent a made-up request, whom a failure tells of, and what is done then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import B, running, said, texts
from rehearsal import Operator
from wards import Watch, well

from distctl.cluster.model_spec import RequestTimeouts
from distctl.cluster.record import Health, SetHealth
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ProbeSight, ServerSight, Service
from distctl.cluster.spec import ServerId
from distctl.policy.probing import (
    AGAIN,
    ENOUGH,
    EVERY,
    SOON,
    SPARED,
    Probe,
    again,
    begun,
    compared,
    deadline,
    heard,
    spared,
    told,
    wanted,
)

FAILS = ProbeSight(ENOUGH, since=1000.0, error="HTTP status 500: wrong")
ANSWERS = ProbeSight(answered=2000.0)
SERVER_A, SERVER_B = (ServerId(name, "0") for name in "ab")


def probed(server: ServerId, sight: ProbeSight) -> ServerSight:
    return replace(well(server), probes={"digits": sight})


# --- when ----------------------------------------------------------------------------------------------


def test_first_probes_are_spread_and_later_ones_follow_silence() -> None:
    assert [begun(0.0, place).due for place in (0.0, 0.5, 1.0)] == [0.0, SOON / 2, SOON]
    assert told(begun(0.0, 0.0), "", 5.0).due == 5.0 + EVERY
    assert spared(begun(0.0, 0.0), 5.0).due == 5.0 + SPARED


def test_a_failure_is_asked_again_soon_until_it_is_certain() -> None:
    probe, dues = begun(0.0, 0.0), []
    for now in range(ENOUGH + 1):
        probe = told(probe, "wrong", float(now))
        dues.append(probe.due - now)
    assert dues == [AGAIN] * (ENOUGH - 1) + [EVERY] * 2
    assert probe.sight == ProbeSight(ENOUGH + 1, since=0.0, error="wrong")
    assert told(probe, "", 9.0).sight == ProbeSight(answered=9.0)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0.1, 5.0)), max_size=60),
)
def test_while_requests_succeed_none_is_due(steps: list[tuple[int, int, float]]) -> None:
    """Whatever fails beside them, and however they come: each success puts it off, and forgets failures."""
    probe, now, counted = told(begun(0.0, 0.0), "wrong", 0.0), 0.0, Service()
    for good, bad, passed in steps:
        now += passed
        counted = Service(count=counted.count + good, failed=counted.failed + bad)
        probe = heard(probe, counted, now)
        if good:
            assert probe.due == now + EVERY
            assert probe.sight.failures == 0
        assert probe.due <= now + EVERY


def test_failures_alone_make_one_due_soon_but_no_flood() -> None:
    quiet = Probe(100.0, Service(), ProbeSight(answered=40.0))
    assert heard(quiet, Service(failed=1), 41.0).due == 40.0 + SOON
    assert heard(quiet, Service(failed=1), 70.0).due == 70.0
    pressed = told(quiet, "wrong", 70.0)
    assert heard(pressed, Service(failed=9), 70.5).due == pressed.due


def test_a_server_that_began_anew_counts_from_nothing() -> None:
    probe = heard(heard(begun(0.0, 0.0), Service(count=9), 1.0), Service(count=0), 2.0)
    assert heard(probe, Service(count=1), 3.0).due == 3.0 + EVERY


def test_others_are_asked_at_once_when_one_fails() -> None:
    idle = Probe(100.0, Service(), ProbeSight(answered=40.0))
    assert compared(idle, since=50.0, now=51.0).due == 51.0
    assert compared(idle, since=30.0, now=51.0) == idle, "it answered since"
    failing = told(idle, "wrong", 50.0)
    assert compared(failing, since=50.0, now=51.0) == failing
    assert compared(spared(idle, 50.0), since=50.0, now=51.0).due == 50.0 + SPARED


def test_after_a_change_only_those_that_failed_begin_anew() -> None:
    idle = Probe(100.0, Service(3), ProbeSight(answered=40.0))
    assert again(idle, 50.0) == idle
    assert again(told(idle, "wrong", 45.0), 50.0) == Probe(50.0, Service(3))


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [
        (RequestTimeouts(), 30.0),
        (RequestTimeouts(total=10.0), 10.0),
        (RequestTimeouts(total=10.0, first=2.0), 2.0),
    ],
)
def test_the_deadline_is_the_models_own_and_bounded(timeouts: RequestTimeouts, seconds: float) -> None:
    assert deadline(timeouts) == seconds


def test_only_what_is_in_use_and_not_switched_off_is_probed() -> None:
    watch = Watch("ab")
    assert wanted(watch.spec, watch.record) == {s: {"digits": 30.0} for s in (SERVER_A, SERVER_B)}
    closed = {replace(r, slot=SlotState.OFF) for r in watch.record.replicas if r.server == SERVER_A}
    rest = {r for r in watch.record.replicas if r.server != SERVER_A}
    assert set(wanted(watch.spec, replace(watch.record, replicas=frozenset(closed | rest)))) == {SERVER_B}
    off = tuple(replace(model, probe="off") for model in watch.spec.models)
    assert wanted(replace(watch.spec, models=off), watch.record) == {}


# --- whom it tells of ----------------------------------------------------------------------------------


def test_a_server_that_fails_where_another_answers_needs_a_pass() -> None:
    watch = Watch()
    watch.looks(5)
    found = watch.looks(3, a=probed(SERVER_A, FAILS), b=probed(SERVER_B, ANSWERS))
    why = "failing digits: digits: HTTP status 500: wrong; others answer the same made-up request"
    assert found.needs == {"a/0": f"a/0 is {why}"}
    assert [h.state for h in watch.health if h.server == SERVER_A] == ["ready", "failing digits"]


@pytest.mark.parametrize(
    "other",
    [
        ProbeSight(),
        ProbeSight(answered=999.0),
        ProbeSight(1, since=2001.0, answered=2000.0),
        FAILS,
    ],
    ids=["never asked", "answered before", "fails too", "fails as well"],
)
def test_nothing_is_done_without_another_one_that_answers_the_same_now(other: ProbeSight) -> None:
    watch = Watch()
    watch.looks(5)
    assert watch.looks(9, a=probed(SERVER_A, FAILS), b=probed(SERVER_B, other)).needs == {}


def test_another_content_answers_for_itself_alone() -> None:
    watch = Watch("ab")
    newer = {replace(r, digest="2") if r.server == SERVER_B else r for r in watch.record.replicas}
    watch.record = replace(watch.record, replicas=frozenset(newer))
    watch.looks(5)
    assert watch.looks(9, a=probed(SERVER_A, FAILS), b=probed(SERVER_B, ANSWERS)).needs == {}


@given(st.lists(st.integers(0, ENOUGH - 1), min_size=1, max_size=20))
def test_fewer_failures_than_enough_move_nothing(failures: list[int]) -> None:
    watch = Watch()
    watch.looks(5)
    for count in failures:
        sight = replace(FAILS, failures=count)
        assert watch.look(a=probed(SERVER_A, sight), b=probed(SERVER_B, ANSWERS)).needs == {}


def test_a_model_that_fails_everywhere_is_told_once_and_left_alone() -> None:
    watch = Watch("abc")
    watch.looks(5)
    watch.events.clear()
    everywhere = {s.node: probed(s, FAILS) for s in watch.servers}
    assert watch.looks(20, **everywhere).needs == {}
    assert watch.events == [
        "digits a made-up request fails (HTTP status 500: wrong) in every replica: it is the model or what "
        "it was sent, and no server, so nothing is done"
    ]
    watch.looks(3)
    assert watch.events[1:] == ["digits a made-up request is answered again, or is not sent any more"]


def test_one_alone_has_nobody_to_be_compared_with() -> None:
    watch = Watch("a")
    watch.looks(5)
    assert watch.looks(9, a=probed(SERVER_A, FAILS)).needs == {}
    assert "there is no other replica that would tell" in watch.events[-1]


def test_one_that_relapses_is_started_again_and_then_ever_later() -> None:
    """The first time its model is loaded anew; what comes soon after is graver, with ever longer rests."""
    watch, waits = Watch(), []
    watch.looks(5)
    sick = {"a": probed(SERVER_A, FAILS), "b": probed(SERVER_B, ANSWERS)}
    for _ in range(4):
        found, began = watch.looks(3, **sick), watch.now
        while not found.needs:
            found = watch.look(**sick)
        waits.append(watch.now - began)
        watch.looks(3)
    states = [h.state for h in watch.health if h.server == SERVER_A and h.state != "ready"]
    assert states == ["failing digits"] + ["still failing digits"] * 3
    assert waits == [0.0, 0.0, 60.0, 120.0]


# --- what is done --------------------------------------------------------------------------------------


def fails(operator: Operator, server: ServerId, state: str) -> None:
    since = operator.cluster.clock.now()
    operator.write(SetHealth(Health(server, state, "digits: wrong", since)))


def test_the_model_is_drained_loaded_anew_and_joins() -> None:
    operator = running()
    fails(operator, B, "failing digits")
    plan = operator.heal()
    why = "it is failing digits: digits: wrong"
    assert said(plan) == [
        ("drain digits of b/0", why),
        ("load anew digits in b/0", why),
        ("route digits to b/0", "a ready replica takes requests"),
    ]
    assert operator.promise.kept()


def test_one_that_fails_still_is_started_again() -> None:
    operator = running()
    fails(operator, B, "still failing digits")
    assert texts(operator.heal()) == [
        "drain digits of b/0",
        "stop server b/0",
        "start server b/0 with digits",
        "route digits to b/0",
    ]
    assert operator.promise.kept()


def test_an_operators_command_does_not_act_on_what_a_controller_held_once() -> None:
    operator = running()
    fails(operator, B, "failing digits")
    assert texts(operator.up()) == []
