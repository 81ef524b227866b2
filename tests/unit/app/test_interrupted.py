"""A process of distctl may die after any change that it made: the next one converges and loses nothing.

Each case is run again and again, each time dying one change later, until it comes through. The end must be
the same as without the death, and after it nothing is to be done. The same with a record that was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from rehearsal import ROUTER, Operator, model, node, places, spec

from distctl.policy.plan import Plan
from distctl.testing import Crash

NODES = ("a", "b", "c")


def nothing() -> Operator:
    return Operator(spec([node(name) for name in NODES], [model("digits", 2), model("xray")]))


def running() -> Operator:
    operator = nothing()
    operator.up()
    busy(operator)
    return operator


def busy(operator: Operator) -> None:
    """Requests are in flight wherever a slot is ready, and end one by one once it drains."""
    router = operator.cluster.routers[ROUTER]
    for name in ("digits", "xray"):
        router.in_flight |= {(name, server): 3 for server in router.sends_to(name)}


def idle() -> Operator:
    """Running, with nothing in flight: a router that stops waits for what is, inside its port."""
    operator = nothing()
    operator.up()
    return operator


def one() -> Operator:
    operator = running()
    operator.scale("digits=1")
    busy(operator)
    return operator


def three() -> Operator:
    operator = running()
    operator.scale("digits=3")
    busy(operator)
    return operator


def drained() -> Operator:
    operator = three()
    operator.drain("a")
    return operator


def edited() -> Operator:
    operator = running()
    operator.cluster.edit("digits")
    return operator


def upgraded() -> Operator:
    operator = Operator(spec([node(name) for name in NODES], [model("digits", 3), model("xray", 2)]))
    operator.up()
    busy(operator)
    operator.runtime = "r2"
    return operator


def smaller_file() -> Operator:
    operator = running()
    nodes = tuple(n for n in operator.spec.nodes if n.name != "b")
    operator.spec = replace(operator.spec, nodes=nodes, models=operator.spec.models[:1])
    return operator


def fewer_servers() -> Operator:
    """A node had two servers, a router a second name; the file has one of each now."""
    operator = nothing()
    after, main = operator.spec, operator.spec.routers[0]
    operator.spec = replace(
        after,
        nodes=tuple(node("b", servers=2) if n.name == "b" else n for n in after.nodes),
        models=(model("digits", 4), model("xray")),
        routers=(main, replace(main, name="old")),
    )
    operator.up()
    busy(operator)
    operator.spec = after
    return operator


@dataclass(frozen=True)
class Case:
    """A beginning, the command that is cut, and the one that the operator gives afterwards."""

    begin: Callable[[], Operator]
    command: Callable[..., Plan]
    again: Callable[..., Plan] | None = None  # None: the same
    rebuilt: bool = True  # whether nodes and routers carry all that it needs

    def go_on(self, operator: Operator) -> None:
        (self.again or self.command)(operator)


def up(operator: Operator, **how: int) -> Plan:
    return operator.up(**how)  # type: ignore[arg-type]


CASES = {
    "up": Case(nothing, up),
    "scale up": Case(one, lambda o, **how: o.scale("digits=3", **how)),
    "scale down": Case(three, lambda o, **how: o.scale("digits=1", **how)),
    "drain": Case(three, lambda o, **how: o.drain("a", **how)),
    "drain with a replacement": Case(running, lambda o, **how: o.drain("a", **how)),
    "undrain": Case(drained, lambda o, **how: o.undrain("a", **how)),
    "changed model": Case(edited, up),
    "changed runtime": Case(upgraded, up),
    "a node and a model left the file": Case(smaller_file, lambda o, **how: o.up(prune=True, **how)),
    "a server and a router left the file": Case(fewer_servers, up),
    "a server and a router were pruned": Case(fewer_servers, lambda o, **how: o.up(prune=True, **how)),
    "down": Case(idle, lambda o, **how: o.down(**how)),
    "down with models kept": Case(idle, lambda o, **how: o.down(keep_models=True, **how)),
}


def deaths(case: Case, then: Callable[[Operator], None]) -> int:
    """Run a case until it comes through, each time dying one change later; `then` goes on after the death."""
    count = 0
    while True:
        operator = case.begin()
        try:
            case.command(operator, crash=count)
        except Crash:
            then(operator)
            count += 1
            continue
        assert operator.promise.kept()
        return count


def plain(case: Case) -> dict[str, dict[str, str]]:
    """Where the case ends when nothing dies."""
    operator = case.begin()
    case.command(operator)
    assert operator.promise.kept()
    return places(operator.cluster)


@pytest.mark.parametrize("name", CASES)
def test_after_a_death_at_any_change_the_same_command_comes_to_the_same_end(name: str) -> None:
    case = CASES[name]
    end = plain(case)

    def then(operator: Operator) -> None:
        case.go_on(operator)
        assert places(operator.cluster) == end
        assert operator.promise.kept()
        if not name.startswith("down"):
            assert operator.plan(prune="left" not in name or "model" in name).empty
        else:
            assert operator.down(keep_models="kept" in name).empty

    assert deaths(case, then) > 4


@pytest.mark.parametrize("name", ["scale up", "scale down", "undrain", "changed model", "changed runtime"])
def test_what_was_written_before_the_death_is_done_by_up_alone(name: str) -> None:
    case = CASES[name]
    end, begun = plain(case), case.begin().cluster.store.record

    def then(operator: Operator) -> None:
        record = operator.cluster.store.record
        operator.up()
        if (record.pins, record.intents) == (begun.pins, begun.intents):
            case.go_on(operator)
        assert places(operator.cluster) == end
        assert operator.promise.kept()

    assert deaths(case, then) > 4


@pytest.mark.parametrize("name", ["up", "changed model", "changed runtime"])
def test_after_a_death_and_the_loss_of_the_record_up_comes_to_the_same_end(name: str) -> None:
    case = CASES[name]
    end = plain(case)

    def then(operator: Operator) -> None:
        operator.lose_record()
        operator.up(adopt=True)
        assert places(operator.cluster) == end
        assert operator.promise.kept()
        assert operator.plan().empty

    deaths(case, then)


@pytest.mark.parametrize("name", ["drain", "drain with a replacement"])
def test_a_drain_that_was_cut_is_not_undone_by_a_new_record(name: str) -> None:
    """Once a node carries the intent, a record that was lost gets it back from there."""
    case = CASES[name]
    found = set()

    def then(operator: Operator) -> None:
        owners = [machine.owner for machine in operator.cluster.machines.values() if machine.owner]
        carried = any('"draining": true' in owner.intents for owner in owners)
        found.add(carried)
        operator.lose_record()
        operator.up(adopt=True)
        intent = operator.cluster.store.record.intents.get("a")
        assert (intent is not None and intent.draining) == carried
        router = operator.cluster.routers[ROUTER]
        if carried:
            assert not any(s.node == "a" for m in ("digits", "xray") for s in router.sends_to(m))
        assert operator.promise.kept()

    assert deaths(case, then) > 4
    assert found == {True, False}
