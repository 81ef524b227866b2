"""Triton and routers know no generation: without the lease they are asked, and never told anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rehearsal import ROUTER, Operator, model, node, spec, view_of

from distctl.cluster.spec import ServerId
from distctl.control.guarded import guarded
from distctl.control.world import World
from distctl.errors import LeaseHeld

SERVER = ServerId("a", "0")
CALLS: dict[str, Callable[[World, Operator], object]] = {
    "load": lambda world, _: world.triton(SERVER).load("digits"),
    "unload": lambda world, _: world.triton(SERVER).unload("digits"),
    "apply": lambda world, o: world.router(ROUTER).apply(view_of(o.cluster.routers[ROUTER]), deadline=1),
    "close": lambda world, _: world.router(ROUTER).close(),
    "halt": lambda world, _: world.router(ROUTER).halt(),
    "stop": lambda world, _: world.router(ROUTER).stop(deadline=1),
}


def lost() -> None:
    raise LeaseHeld("somebody else holds it")


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_changed_without_the_lease(call: str) -> None:
    operator = Operator(spec([node("a")], [model("digits")]))
    operator.up()
    world = guarded(operator.session().world, lost)
    before = list(operator.cluster.calls.changes)
    with pytest.raises(LeaseHeld):
        CALLS[call](world, operator)
    assert operator.cluster.calls.changes == before
    assert world.triton(SERVER).live()
    assert "digits" in world.triton(SERVER).index()
    assert world.router(ROUTER).look().running
    assert world.router(ROUTER).glance().running
