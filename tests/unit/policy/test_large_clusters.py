"""A thousand nodes with twenty models are decided on in about a second: no pass looks at all for each.

The bound is ten times what it takes on a slow machine; a pass that were quadratic would take minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Record, Replica
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import (
    Identity,
    ModelState,
    NodeSight,
    ReplicaSight,
    ServerSight,
    Snapshot,
    UnitSight,
)
from distctl.policy.diff import diff
from distctl.policy.standing import standing
from distctl.policy.wish import Wish, wanted_placement

NODES, MODELS = 1000, 20
BOUND = 10.0  # seconds of this process's own time
SPEC = spec([node(f"n{i}") for i in range(NODES)], [model(f"m{i}", NODES) for i in range(MODELS)])
T = TypeVar("T")


def quick(what: Callable[[], T]) -> T:
    begun = time.process_time()
    found = what()
    assert time.process_time() - begun < BOUND
    return found


@pytest.fixture(scope="module")
def record() -> Record:
    every = (Replica(s.id, m.name, "d1", SlotState.READY) for s in SPEC.servers for m in SPEC.models)
    return Record("r", 1, replicas=frozenset(every))


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    names = [m.name for m in SPEC.models]
    stored = {name: frozenset({"d1"}) for name in names}
    ready = {name: ReplicaSight(ModelState.READY) for name in names}
    unit = UnitSight("server-0", settings="s", process=Identity("b", 1, 1))
    nodes = {
        n.name: NodeSight(
            n.name, True, units={"server-0": unit}, models=stored, links={("0", name): "d1" for name in names}
        )
        for n in SPEC.nodes
    }
    sight = SlotSight(SlotState.READY, True, 1, 0)
    slots = tuple((name, s.id, sight) for name in names for s in SPEC.servers)
    servers = {s.id: ServerSight(s.id, True, True, ready) for s in SPEC.servers}
    return Snapshot(0.0, nodes, servers, {ROUTER: RouterSight(ROUTER, True, slots=slots)})


def wish(record: Record, snapshot: Snapshot, content: str) -> Wish:
    counts, placement = wanted_placement(SPEC, record, snapshot)
    return Wish(SPEC, counts, placement, contents={m.name: content for m in SPEC.models})


def test_a_first_plan() -> None:
    empty = Snapshot(0.0, {n.name: NodeSight(n.name, True) for n in SPEC.nodes})
    new = Record("r")
    plan = quick(lambda: diff(wish(new, empty, "d1"), new, empty))
    assert len(plan.steps) == 1 + NODES * (1 + 2 * MODELS)


def test_nothing_to_do(record: Record, snapshot: Snapshot) -> None:
    assert quick(lambda: diff(wish(record, snapshot, "d1"), record, snapshot)).empty


def test_every_model_changed(record: Record, snapshot: Snapshot) -> None:
    plan = quick(lambda: diff(wish(record, snapshot, "d2"), record, snapshot))
    assert len(plan.steps) == 2 * NODES * MODELS


def test_how_it_stands(record: Record, snapshot: Snapshot) -> None:
    assert quick(lambda: standing(SPEC, record, snapshot)).models[0].serving == NODES
