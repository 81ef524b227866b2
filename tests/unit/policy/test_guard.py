"""A drain that would take a model's last replica is seen before anything is written."""

from dataclasses import replace

import pytest
from rehearsal import Operator, model, node, spec

from distctl.app.change import prepare
from distctl.app.wishes import intent_changes, refuse_bereft
from distctl.cluster.spec import ServerId
from distctl.errors import Refused
from distctl.policy.guard import bereft

A, B = ServerId("a", "0"), ServerId("b", "0")


def running(digits: int = 1, *, nodes: str = "ab", **where: str) -> Operator:
    operator = Operator(
        spec([node(name, gpu=f"of-{name}") for name in nodes], [model("digits", digits, **where)])
    )
    operator.up()
    return operator


def lost(operator: Operator, *draining: str) -> tuple[str, ...]:
    session = operator.session()
    prepared = prepare(session)
    changes = intent_changes(session, draining, cordoned=True, draining=True, why="")
    after = refuse_bereft(session, prepared, changes, force=True)
    return bereft(after.wish, prepared.record, prepared.snapshot)


def test_another_node_can_take_it() -> None:
    assert lost(running(), "a") == ()


def test_another_replica_answers() -> None:
    assert lost(running(2), "a") == ()


def test_no_other_node_is_there() -> None:
    assert lost(running(nodes="a"), "a") == ("digits",)


def test_no_other_node_has_the_label() -> None:
    assert lost(running(gpu="of-a"), "a") == ("digits",)


def test_every_node_is_drained() -> None:
    assert lost(running(), "a", "b") == ("digits",)


def test_the_other_node_is_cordoned() -> None:
    operator = running()
    operator.cordon("b")
    assert lost(operator, "a") == ("digits",)


def test_the_other_node_cannot_be_reached() -> None:
    operator = running()
    operator.cluster.machines["b"].reachable = False
    assert lost(operator, "a") == ("digits",)


def test_the_other_replica_is_on_a_node_that_is_away_and_answers_or_not() -> None:
    operator = running(2)
    operator.cluster.machines["b"].reachable = False
    assert lost(operator, "a") == ()
    operator.cluster.kill(B)
    assert lost(operator, "a") == ("digits",)


def test_a_dead_replica_on_a_node_that_can_be_reached_is_started_before_the_last_one_leaves() -> None:
    operator = running(2)
    operator.cluster.kill(B)
    assert lost(operator, "a") == ()
    operator.drain("a")
    assert operator.cluster.answering("digits") == {B}
    assert operator.promise.kept()


def test_what_nobody_wants_or_nobody_serves_is_not_missed() -> None:
    operator = running(nodes="a")
    operator.cluster.kill(A)
    assert lost(operator, "a") == ()
    operator = running(nodes="a")
    operator.spec = replace(operator.spec, models=(model("digits", 0),))
    assert lost(operator, "a") == ()


def test_without_force_it_is_refused_and_nothing_is_written() -> None:
    operator = running(nodes="a")
    with pytest.raises(Refused, match="digits would have no ready replica"):
        operator.drain("a")
    assert operator.cluster.store.record.intents == {}
    operator.drain("a", force=True)
    assert operator.cluster.answering("digits") == frozenset()
