"""Of several replicas the least busy leaves first, once spread over the nodes is looked after."""

from __future__ import annotations

from rehearsal import model, node, spec

from distctl.cluster.spec import ServerId
from distctl.policy.placement import Ground, place

A, B, C = (ServerId(name, "0") for name in "abc")


def stays(wanted: int, **busy: int) -> set[ServerId]:
    """Where `digits` stays when it is on three servers with so much in flight."""
    there = frozenset((server, "digits") for server in (A, B, C))
    ground = Ground(there, answering=there, busy={(ServerId(n, "0"), "digits"): b for n, b in busy.items()})
    found = place(spec([node(n) for n in "abc"], [model("digits", 2)]), {"digits": wanted}, ground)
    return {server for server, _ in found.serving}


def test_the_least_busy_replicas_leave_first() -> None:
    assert stays(2, a=3, b=0, c=9) == {A, C}
    assert stays(1, a=3, b=0, c=9) == {C}
    assert stays(2) == {A, B}


def test_one_that_does_not_answer_leaves_before_one_that_has_nothing_to_do() -> None:
    there = frozenset((server, "digits") for server in (A, B))
    ground = Ground(there, answering=frozenset({(A, "digits")}), busy={(B, "digits"): 9})
    wanted = spec([node("a"), node("b")], [model("digits", 1)])
    assert place(wanted, {"digits": 1}, ground).serving == {(A, "digits")}


def test_two_on_one_node_become_one_before_the_least_busy_of_other_nodes_leaves() -> None:
    wide = spec([node("a", servers=2), node("b")], [model("digits", 3)])
    both = [ServerId("a", "0"), ServerId("a", "1"), B]
    there = frozenset((server, "digits") for server in both)
    busy = {(both[0], "digits"): 5, (both[1], "digits"): 7, (B, "digits"): 0}
    found = place(wide, {"digits": 2}, Ground(there, answering=there, busy=busy))
    assert {server for server, _ in found.serving} == {both[1], B}
