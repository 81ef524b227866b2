"""What a controller's pass does about servers that are not well, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

from plans import A, B, C, running, said, texts, waits
from rehearsal import ROUTER, Operator, view_of

from distctl.app.crashes import crash_loops
from distctl.app.looking import look
from distctl.cluster.record import AddEvent, Health, SetHealth
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import ServerId
from distctl.policy.operations import PushModel
from distctl.policy.symptoms import CRASHES
from distctl.testing.serving import states


def held_to_be(operator: Operator, server: ServerId, state: str, ago: float = 30.0) -> None:
    """The record's health of a server, written by a controller some seconds before the next look."""
    since = operator.cluster.clock.now() + 61 - ago
    operator.write(SetHealth(Health(server, state, "it does not answer", since)))


def hang(operator: Operator, server: ServerId) -> None:
    operator.cluster.triton(server).hung = True


def away(operator: Operator, server: ServerId) -> None:
    """The machine of a server is cut off."""
    operator.cluster.machines[server.node].reachable = False
    operator.cluster.triton(server).up = False


def back(operator: Operator, server: ServerId) -> None:
    operator.cluster.machines[server.node].reachable = True
    operator.cluster.reboot(server.node)


# --- dead and hung --------------------------------------------------------------------------------------


def test_a_dead_server_is_started_and_nobody_waits_for_it() -> None:
    operator = running()
    operator.cluster.kill(A)
    operator.cluster.triton(A).slow["digits"] = 1000
    plan = operator.heal()
    assert said(plan) == [("start server a/0 with digits", "it does not run")]
    assert operator.cluster.triton(A).up
    assert operator.promise.kept()


def test_an_operator_waits_for_what_is_started() -> None:
    operator = running()
    operator.cluster.kill(A)
    assert texts(operator.up()) == ["start server a/0 with digits", "route digits to a/0"]


def test_a_hung_server_is_killed_and_started() -> None:
    operator = running()
    hang(operator, A)
    held_to_be(operator, A, "hung")
    plan = operator.heal()
    assert said(plan) == [
        ("kill server a/0", "it is hung for 30 s, and its own node gets no answer either"),
        ("start server a/0 with digits", "it was killed since it hung"),
    ]
    assert waits(plan, "start server a/0 with digits", "kill server a/0")
    assert operator.cluster.answers("digits", A)
    assert texts(operator.heal()) == []


def test_one_look_kills_nothing() -> None:
    operator = running()
    hang(operator, A)
    assert texts(operator.heal()) == []
    held_to_be(operator, A, "ready")
    assert texts(operator.heal()) == []


def test_a_server_whose_node_cannot_be_asked_is_not_killed() -> None:
    operator = running()
    hang(operator, A)
    held_to_be(operator, A, "hung")
    operator.cluster.machines["a"].reachable = False
    assert texts(operator.heal()) == []


def test_a_server_that_answers_on_its_own_node_is_not_killed() -> None:
    operator = running()
    held_to_be(operator, A, "hung")
    operator.cluster.parted.add(A)
    assert texts(operator.heal()) == []
    assert operator.cluster.triton(A).silence is Silence.NONE


def test_a_process_that_does_not_listen_for_too_long_is_killed() -> None:
    operator = running()
    operator.cluster.triton(A).up = False  # its process runs all the same
    limits = operator.spec.node("a").timeouts
    held_to_be(operator, A, "starting", ago=limits.start + limits.load - 1)
    assert texts(operator.heal()) == []
    held_to_be(operator, A, "starting", ago=limits.start + limits.load + 1)
    assert texts(operator.heal())[0] == "kill server a/0"


def test_a_model_that_fell_out_is_loaded_again() -> None:
    operator = running()
    operator.cluster.triton(A).unload("digits")
    operator.cluster.lost.clear()  # whoever unloaded it asked nobody
    assert texts(operator.heal())[0] == "load digits in a/0"
    assert operator.cluster.answers("digits", A)


# --- gone -----------------------------------------------------------------------------------------------


def test_what_was_on_a_server_that_is_gone_is_placed_elsewhere_and_its_slots_are_closed() -> None:
    operator = running()
    away(operator, A)
    held_to_be(operator, A, "gone")
    plan = operator.heal()
    assert texts(plan)[1:] == ["load digits in c/0", "route digits to c/0", "close digits of a/0"]
    assert isinstance(plan.steps[0].operation, PushModel)
    assert waits(plan, "close digits of a/0", "route digits to c/0")
    router = operator.cluster.routers[ROUTER]
    assert states(view_of(router))["digits", A] is SlotState.OFF
    assert operator.cluster.answering("digits") == {B, C}
    assert texts(operator.heal()) == []


def test_a_server_that_is_only_unreachable_keeps_its_replicas() -> None:
    operator = running()
    away(operator, A)
    held_to_be(operator, A, "unreachable", ago=1e6)
    assert texts(operator.heal()) == []


def test_where_there_is_no_room_elsewhere_it_keeps_its_slots() -> None:
    operator = running(nodes="ab")
    away(operator, A)
    held_to_be(operator, A, "gone")
    assert texts(operator.heal()) == []
    back(operator, A)
    assert operator.cluster.answering("digits") == {A, B}


def test_a_server_that_returns_is_brought_in_line_and_nothing_serves_twice() -> None:
    operator = running()
    away(operator, A)
    held_to_be(operator, A, "gone")
    operator.heal()
    back(operator, A)
    assert operator.cluster.answering("digits") == {B, C}, "it came back with its models, and takes nothing"
    held_to_be(operator, A, "ready")
    assert "unload digits from a/0" in texts(operator.heal())
    assert operator.cluster.answering("digits") == {B, C}
    assert texts(operator.heal()) == []
    assert operator.promise.kept()


def test_a_server_that_returns_is_used_again_where_its_place_is_still_needed() -> None:
    operator = running()
    away(operator, A)
    held_to_be(operator, A, "gone")
    operator.heal()
    back(operator, A)
    operator.scale("digits=3")
    assert operator.cluster.answering("digits") == {A, B, C}
    assert operator.promise.kept()


def test_an_old_word_of_a_controller_moves_nothing_once_the_server_answers() -> None:
    operator = running()
    held_to_be(operator, A, "gone", ago=1e6)
    assert texts(operator.up()) == []


# --- crash loops ----------------------------------------------------------------------------------------


def test_the_last_lines_of_a_server_in_a_crash_loop_are_told_once() -> None:
    operator = running()
    operator.cluster.kill(A)
    held_to_be(operator, A, "crash loop")
    session = operator.session()
    record, snapshot = session.store.load(), look(session, session.store.load())
    changes = [*crash_loops(session, record, snapshot)]
    (health, event) = changes
    assert isinstance(health, SetHealth)
    assert health.health.reason == "it does not answer; its log ends: the log of server-0"
    assert isinstance(event, AddEvent)
    assert "the log of server-0" in event.event.text
    operator.write(*changes)
    assert [*crash_loops(session, session.store.load(), snapshot)] == []


def test_a_dead_server_whose_supervisor_starts_it_in_vain_is_in_a_crash_loop() -> None:
    operator = running()
    operator.cluster.kill(A)
    held_to_be(operator, A, "dead")
    session = operator.session()
    record, snapshot = session.store.load(), look(session, session.store.load())
    assert [*crash_loops(session, record, snapshot)] == []
    node = snapshot.nodes["a"]
    counted = {name: replace(unit, restarts=CRASHES) for name, unit in node.units.items()}
    looked = replace(snapshot, nodes={**snapshot.nodes, "a": replace(node, units=counted)})
    health, _ = crash_loops(session, record, looked)
    assert isinstance(health, SetHealth)
    assert (health.health.state, health.health.since) == ("crash loop", record.health[A].since)
