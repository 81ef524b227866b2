"""`power on|off` by hand: the command runs here, or is the controller's to run while one leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal import Operator, model, node, spec

from distctl.app.leasing import leased
from distctl.app.power import by_hand
from distctl.app.serving import served
from distctl.cluster.power import PowerSpec, PowerState
from distctl.cluster.record import ErrandState
from distctl.errors import NodeError
from distctl.testing import FakeClock


class Served(FakeClock):
    """A command's clock: whenever the command waits, the controller makes a pass."""

    def __init__(self, clock: FakeClock, serve: Callable[[], None]) -> None:
        super().__init__()
        self._inner, self._serve = clock, serve

    def now(self) -> float:
        return self._inner.now()

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
        self._serve()


def turned(operator: Operator, *, leads: bool) -> list[str]:
    """`power off b`, where somebody leads or nobody does; what it said."""
    said: list[str] = []

    def serve() -> None:
        with leased(passing, "controller: power off b") as keeper, served(passing, keeper) as service:
            service.switch()

    session, passing = operator.session(), operator.session()
    session.parts.clock = Served(operator.cluster.clock, serve)
    if leads:
        operator.cluster.store.lead("controller@desk:1", seconds=1e6)
    with leased(session, "power off b") as keeper:
        by_hand(session, keeper, ["b"], on=False, why="", say=said.append)
    return said


def operator_with(*command: str) -> Operator:
    """A cluster with a node that serves nothing and goes off by a command."""
    nodes = [node("a"), replace(node("b"), power=PowerSpec(("true",), command))]
    made = Operator(spec(nodes, [model("digits", 1)]))
    made.up()
    return made


@pytest.mark.parametrize("leads", [False, True])
def test_the_command_of_a_node_is_run_once_whoever_runs_it(tmp_path: Path, leads: bool) -> None:
    trace = tmp_path / "trace"
    operator = operator_with("sh", "-c", f"echo {{node}} >> {trace}")
    assert turned(operator, leads=leads) == ["b is turning off"]
    assert trace.read_text() == "b\n"
    assert operator.cluster.store.record.powers["b"].state is PowerState.STOPPING
    errands = [errand.state for errand in operator.cluster.store._errands.values()]
    assert errands == ([ErrandState.DONE] if leads else [])


@pytest.mark.parametrize("leads", [False, True])
def test_a_command_that_fails_ends_it_with_its_error_and_the_node_is_on(leads: bool) -> None:
    operator = operator_with("sh", "-c", "echo no such machine >&2; exit 3")
    with pytest.raises(NodeError, match="turn it off") as caught:
        turned(operator, leads=leads)
    assert caught.value.exit_code == 1
    assert operator.cluster.store.record.powers["b"].state is PowerState.ON
