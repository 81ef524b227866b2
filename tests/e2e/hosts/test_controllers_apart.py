"""Two controllers on two machines with one database: whatever befalls the one that leads and its machine in
the middle of its work, the other one goes on, and the one that comes back changes nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from command import Operator, nodes_of, wait
from desk import Desk
from host import Host
from hosts import Hosts
from load import Load
from postgres import PASSWORD, served

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

Figure = Callable[[str], None]
MODELS = {"digits": {"replicas": 2}, "simple": {"replicas": 2}}
CLIENTS = ("digits:http*2", "digits:grpc", "simple:http", "simple:grpc")
AIM = 5.0  # seconds from a controller's death until another one observes
HEALED = 40.0  # seconds in which the next one has done what was left to do
OWNER = "cat /root/.local/share/distctl/test/*/owner"
SERVER = "pgrep -x tritonserver"
LOSE = "pkill -9 -f '[s]upervise'; pkill -9 -x tritonserver"


@dataclass(frozen=True)
class Apart:
    """The router, the servers and the two desks."""

    lb: Host
    nodes: list[Host]
    desks: list[Desk]

    def roles(self) -> tuple[Desk, Desk]:
        """Who leads and who stands by, once that is settled."""

        def settled() -> bool:
            return sorted((desk.leads, desk.stands_by) for desk in self.desks) == [
                (False, True),
                (True, False),
            ]

        wait(settled, "one leads, one stands by", 30, lambda: "\n".join(d.log() for d in self.desks))
        first, second = self.desks
        return (first, second) if first.leads else (second, first)

    def seen(self) -> tuple[str, ...]:
        """What a change would change on nodes: who claimed each and how often, and the servers' processes."""
        owners = [host.run(OWNER).stdout for host in (self.lb, *self.nodes)]
        return (*owners, *(host.run(SERVER, check=False).stdout for host in self.nodes))

    def load(self) -> Load:
        return Load(8000, 8001, *CLIENTS, host=self.lb.address)


@pytest.fixture(scope="module")
def apart(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    lb, *nodes = (machines.add(name) for name in ("lb", "gpu01", "gpu02"))
    desks = [Desk(machines, name) for name in ("desk1", "desk2")]
    operator = Operator(machines, tmp_path_factory.mktemp("apart"))
    gateway = lb.address.rpartition(".")[0] + ".1"
    with served(gateway) as database:
        store = {"url": database.database(by=gateway), "password": {"file": "password"}}
        operator.write(
            {**nodes_of([lb], servers="none"), **nodes_of(nodes)}, models=MODELS, on=["lb"], store=store
        )
        for desk in desks:
            desk.furnish(operator, {"password": PASSWORD})
        desks[0].run("up", "-y")
        for desk in desks:
            desk.begin()
        try:
            yield Apart(lb, nodes, desks)
        finally:
            for desk in desks:
                with contextlib.suppress(RuntimeError):
                    desk.end()
            desks[0].run("down", "-y")


@dataclass(frozen=True)
class Fate:
    """What befalls a leader, and how it comes back. `told`: what the one that slept says when it wakes."""

    strike: Callable[[Desk], None]
    undo: Callable[[Desk], None]
    told: str = ""


def booted(desk: Desk) -> None:
    desk.host.boot()
    desk.begin()


FATES = {
    "its process killed": Fate(lambda desk: desk.signal("KILL"), Desk.begin),
    "its process stopped": Fate(
        lambda desk: desk.signal("STOP"), lambda desk: desk.signal("CONT"), "this process was stopped for"
    ),
    "its machine cut off": Fate(lambda desk: desk.host.cut(), lambda desk: desk.host.heal()),
    "its machine without power": Fate(lambda desk: desk.host.power_cut(), booted),
}


@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_the_other_one_ends_what_was_begun_and_the_one_that_returns_changes_nothing(
    apart: Apart, fate: Fate, figure: Figure, request: pytest.FixtureRequest
) -> None:
    leader, other = apart.roles()
    node = apart.nodes[0]
    decided = len(leader.said("decision"))
    with apart.load() as under:
        time.sleep(1.0)
        node.run(LOSE)
        wait(lambda: len(leader.said("decision")) > decided, "it decides", 20, leader.log)
        begun = time.monotonic()
        fate.strike(leader)
        wait(lambda: other.leads, "the other one leads", 30, other.log)
        took = time.monotonic() - begun
        wait(lambda: whole(other), "whole", HEALED, other.log)
        healed = time.monotonic() - begun
        wait(lambda: quiet(other), "nothing is left to be done", HEALED, other.log)
        before = apart.seen()
        fate.undo(leader)
        wait(lambda: leader.stands_by, "the one that returns stands by", 40, leader.log)
        if fate.told:
            assert any(fate.told in text for text in leader.said("woke")), leader.log()
        time.sleep(3.0)
        assert apart.seen() == before
    under.report.require_whole()
    name = request.node.callspec.id
    figure(f"{name}: the other leads after {took:.1f} s, whole after {healed:.1f} s; {under.report}")
    assert took < AIM


def whole(desk: Desk) -> bool:
    """Whether each model has its replicas, as an operator at that desk sees it."""
    return all(model["observed"]["serving"] == 2 for model in desk.status()["models"])


def quiet(desk: Desk) -> bool:
    """Whether nothing is left to be done."""
    return desk.run("plan", "--detailed-exitcode", check=False).returncode == 0
