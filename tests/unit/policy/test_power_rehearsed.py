"""Nodes that are off on purpose, through the real commands: nobody waits for them, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import Operator, model, node, spec

from distctl.app.change import prepare, with_changes
from distctl.app.examination import examine
from distctl.app.leasing import leased
from distctl.app.wishes import parse_scale, refuse_shortage, scale_changes
from distctl.cluster.power import Power, PowerSpec, PowerState
from distctl.cluster.record import SetPower
from distctl.errors import Refused

WAY = PowerSpec(("wake",), ("rest",))


def operator() -> Operator:
    """Two nodes of which b serves nothing, went off, and cannot be reached."""
    made = Operator(spec([node("a"), replace(node("b"), power=WAY)], [model("digits", 1)]))
    made.up()
    turn(made, PowerState.OFF)
    made.cluster.machines["b"].reachable = False
    return made


def turn(operator: Operator, state: PowerState) -> None:
    operator.write(SetPower(Power("b", state, since=1.0, why="idle")))


def asked(operator: Operator, count: int) -> None:
    """What `scale` asks before it writes anything. Raises Refused."""
    session = operator.session()
    with leased(session, "scale") as keeper:
        changes = scale_changes(session, parse_scale(session, [f"digits={count}"]), "")
        refuse_shortage(with_changes(prepare(session, keeper), session, changes, prune=False), ["digits"])


def test_a_node_that_is_off_is_no_trouble_and_one_that_is_only_away_is() -> None:
    ann = operator()
    plan = ann.up()
    assert plan.empty and not plan.skipped
    turn(ann, PowerState.ON)
    assert [skip.subject for skip in ann.plan().skipped] == ["b"]


def test_nothing_is_started_on_a_node_that_is_going_off() -> None:
    ann = operator()
    ann.cluster.machines["b"].reachable = True
    turn(ann, PowerState.STOPPING)
    assert ann.plan().empty
    assert "turned off: b" in ann.scale("digits=2").notes[0]
    assert {server.node for server, _ in ann.cluster.store.record.places} == {"a"}


def test_a_count_is_refused_only_where_all_nodes_together_lack_room() -> None:
    ann = operator()
    asked(ann, 2)
    with pytest.raises(Refused, match="only 2 of 3 replicas can be placed"):
        asked(ann, 3)


def test_one_that_comes_is_set_up_by_the_next_pass() -> None:
    ann = operator()
    ann.scale("digits=2")
    turn(ann, PowerState.BOOTING)
    ann.cluster.machines["b"].reachable = True
    ann.heal()
    assert {server.node for server, _ in ann.cluster.store.record.places} == {"a", "b"}
    assert ann.promise.kept()


def test_down_leaves_a_node_that_is_off_as_it_is_and_says_what_lies_there() -> None:
    ann = operator()
    (skip,) = ann.down().skipped
    assert skip.text == "b: off since 1970-01-01 00:00:01 UTC: idle; what distctl put there stays"
    assert "distctl power on b" in skip.hint
    turn(ann, PowerState.ON)
    ann.cluster.machines["b"].reachable = True
    assert not ann.down().skipped
    assert not ann.cluster.machines["b"].models


def test_doctor_tells_of_a_node_that_is_off_and_does_not_look_at_it() -> None:
    ann = operator()
    (found,) = [f for f in examine(ann.session(), ["b"]) if f.node == "b" and "since" in f.what]
    assert (found.level, found.unreachable) == ("ok", False)
    assert "distctl power on b" in found.remedy
