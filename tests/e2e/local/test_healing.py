"""A controller heals servers under load: what crashed, hung or lost a model serves again, unnoticed."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from controlled import Controller, ask_server
from local_cluster import LocalCluster, local_cluster, wait_until
from test_controller import AIM, TRITON, UNLOAD, kill_for_good

Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2, "simple": 2}) as cluster:
        cluster.up()
        yield cluster


@pytest.fixture(scope="module")
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    found = Controller(cluster)
    try:
        found.wait_for("pass", "nothing is to be done")
        yield found
        found.end()
    finally:
        found.process.kill()
        found.process.wait()


def ready(cluster: LocalCluster, node: str) -> bool:
    """Whether the server of a node has both models, asked there."""
    port = cluster.spec["nodes"][node]["servers"]["ports"]
    try:
        for model in ("digits", "simple"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/ready", timeout=1):
                pass
    except (urllib.error.URLError, OSError):
        return False
    return True


@dataclass(frozen=True)
class Fault:
    """What is done to a node's server, what the controller decides then, and how long the server may take.

    `answered` says what clients may be told meanwhile: nothing but answers, or Triton's own error.
    """

    name: str
    node: str
    strike: Callable[[LocalCluster], object]
    decision: str
    seconds: float
    answered: str = ""


CRASH = Fault("crash", "n1", lambda c: c.kill("n1"), "", AIM + TRITON)
HANG = Fault("hang", "n2", lambda c: c.kill("n2", signal.SIGSTOP), "n2/0 is hung", AIM + TRITON + 3.0)
DEAD = Fault("dead", "n1", lambda c: kill_for_good(c, "n1"), "n1/0 is dead", AIM + TRITON)
# Behind everybody's back: until the next check routers send there, and Triton says what it is.
UNLOADED = Fault(
    "unloaded",
    "n1",
    lambda c: ask_server(c, "n1", UNLOAD),
    "n1/0 is without digits",
    AIM + 2.0,
    "no available versions",
)


@pytest.mark.parametrize(
    "fault",
    [CRASH, HANG, *(pytest.param(fault, marks=pytest.mark.nightly) for fault in (DEAD, UNLOADED))],
    ids=lambda fault: fault.name,
)
def test_a_server_that_is_struck_serves_again_and_clients_lose_nothing(
    cluster: LocalCluster,
    controller: Controller,
    figure: Figure,
    request: pytest.FixtureRequest,
    fault: Fault,
) -> None:
    name = request.node.callspec.id
    with cluster.load("digits:http*2", "simple:grpc*2") as load:
        time.sleep(1.0)
        begun = time.monotonic()
        fault.strike(cluster)
        wait_until(lambda: not ready(cluster, fault.node), f"{name}: it shows")
        wait_until(lambda: ready(cluster, fault.node), f"{name}: healed", 60)
        took = time.monotonic() - begun
        cluster.wait_whole(30)
    if fault.answered:
        assert all(fault.answered in failed for failed in load.report.failed), load.report.failed
        assert not load.report.wrong
    else:
        load.report.require_whole()
    figure(f"{name}: ready again after {took:.1f} s; {load.report}")
    assert any(fault.decision in said for said in controller.said("decision")), controller.said("decision")
    assert took < fault.seconds
    cluster.nothing_to_do()


def test_what_was_held_of_a_server_is_told_as_an_event(cluster: LocalCluster, controller: Controller) -> None:
    assert "hung" in cluster.run("events").out
