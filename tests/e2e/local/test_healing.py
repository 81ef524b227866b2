"""A controller heals servers under load: what crashed, hung or lost a model serves again, unnoticed."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from local_cluster import LocalCluster, local_cluster, wait_until
from test_controller import AIM, TRITON, Controller, kill_for_good, unload

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


FAULTS: dict[str, tuple[Callable[[LocalCluster], object], str, float]] = {
    "crash": (lambda c: c.kill("n1"), "", TRITON),
    "server and supervisor killed": (lambda c: kill_for_good(c, "n1"), "n1/0 is dead", TRITON),
    "hang": (
        lambda c: c.kill("n2", signal.SIGSTOP),
        "n2/0 is hung",
        TRITON + 3.0,
    ),  # a look takes its time-out
    "model unloaded": (lambda c: unload(c, "n1", "digits"), "n1/0 is without digits", 2.0),
}


def test_faults_of_servers_cost_clients_nothing_and_heal_by_themselves(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    for name, (fault, reason, start) in FAULTS.items():
        with cluster.load("digits:http*2", "simple:grpc*2") as load:
            time.sleep(1.0)
            begun = time.monotonic()
            fault(cluster)
            broken = "n2" if name == "hang" else "n1"
            wait_until(lambda n=broken: not ready(cluster, n), f"{name}: it shows")
            wait_until(lambda n=broken: ready(cluster, n), f"{name}: healed", 60)
            took = time.monotonic() - begun
            cluster.wait_whole(30)
        load.report.require_whole()
        figure(f"{name}: ready again after {took:.1f} s; {load.report}")
        assert any(reason in said for said in controller.said("decision")), controller.said("decision")
        assert took < AIM + start
    cluster.nothing_to_do()


def test_what_was_held_of_a_server_is_told_as_events(cluster: LocalCluster, controller: Controller) -> None:
    told = cluster.run("events").out
    assert "n2/0 hung" in told or "hung" in told, told
    assert cluster.run("status", "--check").code == 0
