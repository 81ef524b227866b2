"""A lost server costs no client a request: kills, hangs and what the supervisor does, under verified load.

The contract: unary requests to models without state, up to `replay_limit`, as long as one server at a time
is lost.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from load import Report
from local_cluster import LocalCluster, local_cluster, wait_until

QUICK = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
CLIENTS = (*QUICK, "slow:http", "slow:grpc")
# Seconds that a quick request may take at a kill and at a hang: these leave room for a core that other tests
# keep busy, the aims are those of a machine of one's own. The figure is told at the end of each run.
AT_KILL, AT_HANG = 1.0, 2.0
AIM_AT_KILL, AIM_AT_HANG = 0.2, 0.8
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2, "simple": 2, "slow": 2}) as cluster:
        cluster.up()
        yield cluster


def kills(cluster: LocalCluster, times: int, every: float = 0.0) -> tuple[Report, list[float]]:
    """Kill servers in turn under load, each once the one before is back; the instants of the kills.

    `every`: at least so many seconds from one to the next.
    """
    instants: list[float] = []
    with cluster.load(*CLIENTS, seconds=30.0 * times + 60) as load:
        time.sleep(1)
        for number in range(times):
            node = cluster.nodes[number % len(cluster.nodes)]
            before = cluster.process(node)
            instants.append(cluster.kill(node))
            wait_until(lambda n=node, b=before: cluster.process(n) not in (0, b), f"{node} restarts")
            cluster.wait_whole()
            time.sleep(max(0.5, instants[-1] + every - time.time()))
    return load.report, instants


def longest(report: Report, instants: list[float], what: str, aim: float, figure: Figure) -> float:
    """The longest quick request around some instants; it and the load as a whole are told on the way."""
    found = [
        max(report.longest_between(at - 0.1, at + 3, model) for model in ("digits", "simple"))
        for at in instants
    ]
    each = " ".join(f"{seconds:.3f}" for seconds in found)
    figure(f"{len(instants)} times a {what}: {report}")
    figure(f"longest quick request at a {what}: {max(found):.3f} s, aim {aim:g} s (each: {each})")
    return max(found)


def test_five_kills_cost_no_request(cluster: LocalCluster, figure: Figure) -> None:
    report, instants = kills(cluster, 5)
    report.require_whole(at_least=1000)
    assert longest(report, instants, "kill", AIM_AT_KILL, figure) < AT_KILL


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_fifty_kills_cost_no_request(figure: Figure) -> None:
    """Six servers in turn, so that each has run for half a minute: its supervisor starts it again at once."""
    with local_cluster(nodes=6, models={"digits": 3, "simple": 3, "slow": 3}) as cluster:
        cluster.up()
        report, instants = kills(cluster, 50, every=5.5)
    report.require_whole(at_least=10_000)
    assert longest(report, instants, "kill", AIM_AT_KILL, figure) < AT_KILL


def hangs(cluster: LocalCluster, times: int) -> tuple[Report, list[float]]:
    """Stop servers in turn; half of them wake up again, the others are killed while they hang."""
    instants = []
    with cluster.load(*CLIENTS, seconds=30.0 * times + 60) as load:
        time.sleep(1)
        for number in range(times):
            node = cluster.nodes[number % 2]
            before = cluster.process(node)
            instants.append(cluster.kill(node, signal.SIGSTOP))
            time.sleep(3)
            if number % 2:
                os.kill(before, signal.SIGKILL)
                wait_until(lambda n=node, b=before: cluster.process(n) not in (0, b), f"{node} restarts")
            else:
                os.kill(before, signal.SIGCONT)
            cluster.wait_whole()
            time.sleep(0.5)
    return load.report, instants


def test_two_hangs_cost_no_request(cluster: LocalCluster, figure: Figure) -> None:
    report, instants = hangs(cluster, 2)
    report.require_whole(at_least=500)
    assert longest(report, instants, "hang", AIM_AT_HANG, figure) < AT_HANG


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_ten_hangs_cost_no_request(cluster: LocalCluster, figure: Figure) -> None:
    report, instants = hangs(cluster, 10)
    report.require_whole(at_least=3000)
    assert longest(report, instants, "hang", AIM_AT_HANG, figure) < AT_HANG


def test_a_killed_server_comes_back_with_its_models_and_nobody_asks_for_it(cluster: LocalCluster) -> None:
    """Explicit mode forgets: the start script on the node names the models."""
    before = cluster.process("n1")
    cluster.kill("n1")
    wait_until(lambda: cluster.process("n1") not in (0, before), "the supervisor starts it again")
    cluster.wait_whole()
    cluster.nothing_to_do()
    assert cluster.serves("n1", "digits")
    assert cluster.serves("n1", "slow")


def test_a_server_that_lost_its_supervisor_too_is_started_by_up(cluster: LocalCluster) -> None:
    """Nobody restarts it, no client notices, `status` says so, and `up` makes it whole."""
    with cluster.load(*QUICK) as load:
        os.kill(cluster.supervisor("n2"), signal.SIGKILL)
        cluster.kill("n2")
        time.sleep(2)
        seen = cluster.json("status", "--check", check=1)
        cluster.up()
        cluster.wait_whole()
    load.report.require_whole()
    states = {node["node"]: node["observed"]["state"] for node in seen["nodes"]}
    assert states == {"n1": "ready", "n2": "stopped"}


def test_a_router_that_died_is_started_again_by_its_supervisor(cluster: LocalCluster) -> None:
    before = cluster.process("local", "router-main")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: cluster.process("local", "router-main") not in (0, before), "the router restarts")
    cluster.wait_whole()
    with cluster.load(*QUICK) as load:
        time.sleep(1)
    load.report.require_whole()
    cluster.nothing_to_do()
