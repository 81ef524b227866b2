"""Real HAProxy in front of stand-ins for Triton, on 200 ports from 22000 for each worker of pytest."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from router_harness import MODELS, Router, StandIn

from distctl.adapters.haproxy import HaproxyRouter
from distctl.adapters.local import LocalConnector
from distctl.cluster.router import Pool, RouterView, SlotState
from distctl.cluster.spec import Connection, Node, RouterId
from distctl.ports import Result

FIRST = 22000 + 200 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture(scope="session")
def processes() -> Iterator[list[StandIn]]:
    found = [StandIn(f"n{number}", FIRST + 90 + number * 10) for number in (1, 2, 3)]
    for stand_in in found:
        stand_in.start()
    yield found
    for stand_in in found:
        stand_in.kill()


@pytest.fixture
def servers(processes: list[StandIn]) -> Iterator[list[StandIn]]:
    """Three stand-ins, all running with every model loaded."""
    for stand_in in processes:
        if stand_in.process is None:
            stand_in.start()
        stand_in.signal(signal.SIGCONT)
        stand_in.wait()
        stand_in.load(*MODELS)
    yield processes
    for stand_in in processes:
        if stand_in.process is not None:
            stand_in.signal(signal.SIGCONT)


@pytest.fixture
def connector() -> LocalConnector:
    return LocalConnector(Node("here", Connection.LOCAL, "127.0.0.1", "127.0.0.1"))


@pytest.fixture
def make_router(servers: list[StandIn], connector: LocalConnector) -> Iterator[Callable[..., Router]]:
    """Makes a router of two ready slots and one that is off for each model; it is not applied yet."""
    made: list[Router] = []

    def change(script: str, tried: str, deadline: float) -> Result:
        return connector.run(script, tried=tried, deadline=deadline)

    def make(root: str | None = None, haproxy: str | None = None, **settings: object) -> Router:
        root = root or tempfile.mkdtemp(prefix="dr-")
        one, two, three = servers
        slots = (one.slot(), two.slot(), three.slot(SlotState.OFF))
        port = FIRST + 10 + len(made) * 10
        view = RouterView(
            RouterId("main", "here"),
            "test",
            "127.0.0.1",
            port,
            port + 1,
            port + 2,
            pools=(Pool("digits", slots), Pool("seq", slots, replay=False)),
            drops_root=os.geteuid() == 0,  # as the inventory would have it
        )
        control = HaproxyRouter(connector, view.id, root, change, haproxy=haproxy)
        made.append(Router(control, replace(view, **settings), root))
        return made[-1]

    yield make
    for router in made:
        router.control.stop(deadline=0.0)
        shutil.rmtree(router.root, ignore_errors=True)


@pytest.fixture
def router(make_router: Callable[..., Router]) -> Router:
    """A router that runs: n1 and n2 ready, n3 off."""
    made = make_router()
    made.apply()
    return made
