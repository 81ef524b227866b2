"""Operators who meet: one record or two, lost records, nodes that left. The nodes have the last word."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator

import pytest
from command import Operator, Operators, nodes_of
from hosts import Host, Hosts

pytestmark = pytest.mark.hosts

TWO = {"simple": {"replicas": 2}}


@pytest.fixture(scope="module")
def pair(machines: Hosts) -> Hosts:
    for name in ("gpu01", "gpu02"):
        machines.add(name)
    return machines


@pytest.fixture
def ann(pair: Hosts, operators: Operators) -> Iterator[Operator]:
    """Ann has the cluster up, and it is gone afterwards whoever has it then."""
    operator = operators(pair)
    operator.write(nodes_of(pair), models=TWO, on=["gpu01"])
    operator.run("up", "-y")
    yield operator
    shutil.rmtree(operator.folder / ".distctl")
    operator.write(nodes_of(pair), models=TWO, on=["gpu01"])
    operator.run("down", "-y")


def running(host: Host) -> int:
    """How many Tritons."""
    return int(host.run("pgrep -cx tritonserver", check=False).stdout)


def processes(hosts: Hosts) -> list[str]:
    """Every Triton and HAProxy with the time it was started."""
    return [h.run("ps -C tritonserver,haproxy -o comm=,lstart= | sort").stdout for h in hosts]


def test_a_lost_record_is_rebuilt_and_nothing_changes(ann: Operator, pair: Hosts) -> None:
    """The record is deleted while a node is drained: no process is touched, and the drain stands."""
    ann.run("drain", "gpu02", "-m", "new disk")
    before = processes(pair)
    shutil.rmtree(ann.folder / ".distctl")
    assert "Nothing to do" in ann.run("up", "-y").stderr
    gpu02 = next(n for n in ann.status()["nodes"] if n["node"] == "gpu02")
    assert gpu02["intent"]["draining"]
    assert gpu02["intent"]["why"] == "new disk"
    assert gpu02["observed"]["released"]
    assert processes(pair) == before


def test_a_second_record_adopts_and_the_first_is_refused_then(
    ann: Operator, pair: Hosts, operators: Operators
) -> None:
    """A fresh checkout duplicates nothing; two records that both changed the nodes do not fight."""
    before = processes(pair)
    bob = operators(pair, "bob")
    shutil.copy(ann.inventory, bob.inventory)
    assert "Nothing to do" in bob.run("up", "-y").stderr
    assert processes(pair) == before
    carol = operators(pair, "carol")
    carol.write(nodes_of(pair), models=TWO, on=["gpu01"], cluster="other")
    foreign = carol.run("up", "-y", status=None)
    assert foreign.status in (1, 8), "ports are taken, or the nodes are another cluster's"
    assert processes(pair) == before
    bob.run("scale", "simple=1")
    late = ann.run("scale", "simple=2", status=None)
    assert late.status in (0, 5, 8)


def test_two_operators_with_one_record_wait_for_each_other(ann: Operator, pair: Hosts) -> None:
    """The second is told who is at work and why, and with --lease-wait it goes on afterwards."""
    ann.run("down", "-y")
    first = ann.start("up", "-y")
    time.sleep(1.5)
    refused = ann.run("scale", "simple=1", status=5)
    second = ann.run("scale", "simple=1", "--lease-wait", "60s")
    assert first.communicate(timeout=60) and first.returncode == 0
    assert "up by" in refused.stderr
    assert "waiting for the lease" in second.stderr
    ann.run("scale", "simple=auto")


def test_a_node_that_left_the_file_is_drained_and_then_pruned(ann: Operator, pair: Hosts) -> None:
    """Over the connection that the record remembers."""
    ann.write(nodes_of([pair["gpu01"]]), models={"simple": {"replicas": 1}}, on=["gpu01"])
    done = ann.run("up", "-y")
    assert "gpu02 left the file: what is there runs on, drained, until `up --prune`" in done.said
    assert running(pair["gpu02"]) == 1
    ann.run("up", "-y", "--prune")
    assert running(pair["gpu02"]) == 0
    assert "test" not in pair["gpu02"].run("find /root/.local -name gpu02", check=False).stdout
    assert "expected" in ann.run("infer", "simple").stdout
    assert "Nothing to do" in ann.run("up", "-y").stderr


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("start server gpu02/0", id="start"),
        pytest.param("install runtime", id="push", marks=pytest.mark.nightly),
        pytest.param("route simple", id="join", marks=pytest.mark.nightly),
    ],
)
def test_up_converges_after_its_operator_was_killed(ann: Operator, pair: Hosts, moment: str) -> None:
    """SIGKILL in the middle; the next `up` takes the lease of the dead process and does what is left."""
    ann.run("down", "-y")
    killed = ann.start("up", "-y")
    assert killed.stderr is not None
    for line in killed.stderr:
        if moment in line and "running" in line:
            os.killpg(killed.pid, signal.SIGKILL)
            break
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert "whose process has ended" in ann.run("up", "-y").stderr
    ann.run("status", "--check")
    assert [running(host) for host in pair] == [1, 1]
    assert "Nothing to do" in ann.run("up", "-y").stderr
