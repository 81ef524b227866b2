"""Nodes are made ours before anything is changed: the first one decides between two operators."""

from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest
from rehearsal import model, node, spec

from distctl.cluster.snapshot import Owner
from distctl.control.claim import claim, let_go
from distctl.control.world import NodePort, World
from distctl.errors import ForeignNode, StaleGeneration
from distctl.testing import FakeCluster

NAMES = ["a", "b", "c"]
OURS = Owner("prod", "ours", 4, by="me", until=99.0)


def cluster(**owners: Owner) -> FakeCluster:
    found = FakeCluster(spec([node(name) for name in NAMES], [model("digits")], routers=False))
    for name, owner in owners.items():
        found.machines[name].owner = owner
    return found


def world(found: FakeCluster):  # type: ignore[no-untyped-def]
    return found.world(lambda record, router: pytest.fail("no router is there"))


def test_each_node_carries_the_owner_until_it_is_let_go() -> None:
    found = cluster()
    claim(world(found), NAMES, OURS)
    assert {m.owner for m in found.machines.values()} == {OURS}
    let_go(world(found), NAMES)
    assert [m.owner.until for m in found.machines.values() if m.owner] == [0.0] * 3


def test_the_first_node_refuses_before_any_other_is_touched() -> None:
    found = cluster(a=Owner("prod", "theirs", 1))
    with pytest.raises(ForeignNode):
        claim(world(found), NAMES, OURS)
    assert found.machines["b"].owner is None
    assert found.machines["c"].owner is None


def test_a_refusal_later_on_lets_go_of_what_was_claimed() -> None:
    found = cluster(c=Owner("prod", "ours", 9))
    with pytest.raises(StaleGeneration):
        claim(world(found), NAMES, OURS)
    owners = [m.owner for m in found.machines.values() if m.owner]
    assert [owner.until for owner in owners] == [0.0, 0.0, 0.0]
    assert [owner.generation for owner in owners] == [3, 3, 9], "nothing was changed, so nothing is counted"


def test_two_copies_of_a_record_that_count_alike_do_not_both_go_on() -> None:
    found = cluster(a=replace(OURS, run="ada:1"))
    with pytest.raises(StaleGeneration):
        claim(world(found), NAMES, replace(OURS, run="bob:1"))
    assert found.machines["b"].owner is None


def test_a_node_that_cannot_be_reached_is_passed_over_also_as_the_first() -> None:
    found = cluster()
    found.machines["a"].reachable = False
    claim(world(found), NAMES, OURS)
    assert found.machines["a"].owner is None
    assert found.machines["b"].owner == found.machines["c"].owner == OURS


def test_the_first_that_can_be_reached_decides() -> None:
    found = cluster(b=Owner("prod", "theirs", 1))
    found.machines["a"].reachable = False
    with pytest.raises(ForeignNode):
        claim(world(found), NAMES, OURS)
    assert found.machines["c"].owner is None


def test_nothing_to_claim_is_nothing_done() -> None:
    found = cluster()
    claim(world(found), [], OURS)
    assert found.calls.changes == []


def noted(found: FakeCluster) -> tuple[World, list[tuple[str, float]]]:
    """The same world, and which renewals come to its nodes; `b` answers none of them before it is let go."""
    whole = world(found)
    renewals: list[tuple[str, float]] = []
    slow = Event()

    def node_of(name: str) -> NodePort:
        real = whole.node(name)

        def renew(until: float) -> None:
            renewals.append((name, until))
            if name == "b":
                slow.wait(0.2)

        return cast("NodePort", SimpleNamespace(claim=real.claim, release=real.release, renew=renew))

    return replace(whole, node=node_of), renewals


def test_claims_are_renewed_once_a_third_of_their_time_has_gone() -> None:
    found = cluster()
    noting, renewals = noted(found)
    claims = claim(noting, NAMES, replace(OURS, at=69.0))
    claims.renew(78.0)
    assert renewals == []
    claims.renew(80.0)
    assert claims.let_go() == []  # waits for what is under way
    assert sorted(renewals) == [("a", 110.0), ("b", 110.0), ("c", 110.0)]
    assert [m.owner.until for m in found.machines.values() if m.owner] == [0.0] * 3


def test_a_node_whose_renewal_goes_on_is_left_out_and_delays_nobody() -> None:
    noting, renewals = noted(cluster())
    claims = claim(noting, NAMES, replace(OURS, at=69.0))
    claims.renew(80.0)
    claims.renew(91.0)
    claims.let_go()
    assert [until for name, until in renewals if name == "b"] == [110.0]
