"""What a pass makes room for: once for each need, and not for what it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import model, node, spec

from distctl.cluster.record import Errand, ErrandState, Known, Record
from distctl.cluster.snapshot import ServerSight, Silence, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.errands import FRESH, Patience, patiences
from distctl.policy.pressing import Pressing, pressing
from distctl.policy.turn import Memory, Turn, ended, turn
from distctl.policy.upkeep import CLUSTER

DEAD = {"a/0": "a/0 is dead"}
BOTH = {**DEAD, "b/0": "b/0 is hung"}


def during(before: Pressing, urgent: dict[str, str], *, due: bool = True) -> Pressing:
    """One look while a pass is under way."""
    return pressing(before, urgent, busy=True, due=lambda _: due)


def begun(urgent: dict[str, str]) -> Pressing:
    """What is remembered when a pass begins."""
    return pressing(Pressing(), urgent, busy=False, due=lambda _: True)


def test_a_pass_makes_room_for_what_came_up_after_it_began_and_for_nothing_else() -> None:
    assert during(begun({}), DEAD).why == "a/0 is dead"
    assert during(begun(DEAD), DEAD).why == ""
    assert during(begun(DEAD), BOTH).why == "b/0 is hung"


def test_it_is_told_until_the_pass_has_ended_and_then_the_next_one_is_about_it() -> None:
    pressed = during(during(begun({}), DEAD), {})
    assert pressed.why == "a/0 is dead"
    following = pressing(pressed, DEAD, busy=False, due=lambda _: True)
    assert during(during(following, DEAD), DEAD).why == ""


def test_a_need_that_ended_and_comes_back_counts_again_as_soon_as_a_pass_for_it_is_due() -> None:
    again = during(during(begun(DEAD), {}), DEAD, due=False)
    assert again.why == ""
    assert during(replace(again, known=frozenset()), DEAD).why == "a/0 is dead"


def test_the_deadline_of_a_drain_counts_from_the_first_pass_on() -> None:
    errand = Errand("e", "drain", "drain a", places=("a",), drain_seconds=60.0, force=True, begun=100.0)
    found = patiences([errand], 130.0)
    assert found == {"a": Patience(60.0, True, 30.0)}
    assert found["a"].left(300.0) == 30.0
    assert Patience(None, spent=400.0).left(300.0) == 0.0


@pytest.mark.parametrize("reverse", [False, True])
def test_where_two_commands_speak_of_one_place_the_later_one_counts(reverse: bool) -> None:
    first = Errand("e", "drain", "drain a", since=1.0, places=("a",), drain_seconds=60.0, begun=9.0)
    second = replace(first, id="f", since=2.0, drain_seconds=5.0)
    errands = [second, first] if reverse else [first, second]
    assert patiences(errands, 9.0)["a"].seconds == 5.0


class Watched:
    """Turns of a controller of two nodes, one a second; a server that is killed is seen to be dead."""

    def __init__(self) -> None:
        self.spec = spec([node("a"), node("b")], [model("digits", 2)], routers=False)
        self.record = Record("r", known={name: Known(name, "{}") for name in "ab"})
        self.memory, self.at, self.dead = Memory(), 1000.0, False

    def look(self, *, busy: bool = False) -> Turn:
        """One turn."""
        self.at += 1.0
        silence = Silence.REFUSED if self.dead else Silence.NONE
        sights = {
            ServerId("a", "0"): ServerSight(ServerId("a", "0"), error="refused", silence=silence)
            if self.dead
            else ServerSight(ServerId("a", "0"), live=True),
            ServerId("b", "0"): ServerSight(ServerId("b", "0"), live=True),
        }
        found = turn(self.memory, Seen(self.spec, self.record, Snapshot(self.at, servers=sights), busy=busy))
        self.memory = found.memory
        return found

    def end(self, decisions: tuple[Decision, ...], **how: bool) -> None:
        """A pass ends."""
        self.memory = ended(self.memory, self.record, decisions, Ended(self.at, **how))


def test_a_server_that_dies_while_a_pass_waits_breaks_it_off_once_and_the_next_one_takes_both() -> None:
    watched = Watched()
    first = watched.look().decisions
    assert not watched.look(busy=True).memory.pressing.why
    watched.dead = True
    pressed = [watched.look(busy=True).memory.pressing.why for _ in range(5)]
    assert "a/0 is dead" in pressed[-1]
    watched.end(first, broken=True)
    following = watched.look().decisions
    assert {CLUSTER, "a/0"} <= {decision.subject for decision in following}
    assert not any(watched.look(busy=True).memory.pressing.why for _ in range(20))


def test_a_server_that_dies_again_and_again_breaks_passes_off_ever_less_often() -> None:
    watched, broken = Watched(), 0
    decisions = watched.look().decisions
    for second in range(600):
        watched.dead = second % 8 < 4
        if watched.look(busy=True).memory.pressing.why:
            broken += 1
            watched.end(decisions, broken=True)
            decisions = watched.look().decisions
    assert 2 <= broken < 20


def test_what_is_asked_for_is_due_at_once_and_makes_room_for_itself() -> None:
    watched = Watched()
    watched.end(watched.look().decisions)
    errand = Errand("e", "scale", "scale digits=1", by="ann@desk")
    watched.record = replace(watched.record, errands={"e": errand})
    said = "scale digits=1: asked for by ann@desk"
    assert watched.look(busy=True).memory.pressing.why == said
    assert said in [decision.reason for decision in watched.look().decisions]
    assert watched.look(busy=True).memory.pressing.why == ""


def test_who_waits_for_the_lease_ends_a_pass_and_is_let_in_before_the_next_one() -> None:
    watched = Watched()
    watched.look()
    knock = Errand("k", "", "undrain a", by="ann@desk", since=watched.at, state=ErrandState.KNOCKS)
    watched.record = replace(watched.record, errands={"k": knock})
    assert watched.look(busy=True).memory.pressing.why == "ann@desk waits with `undrain a`"
    watched.end((), broken=True)
    turns = [watched.look() for _ in range(int(FRESH) + 2)]
    assert not turns[0].decisions
    assert turns[-1].decisions, "one that never comes is not waited for"
