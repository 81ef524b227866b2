"""Machines that break under constant verified load: not one failed or wrong answer, and `up` makes it whole.

The router is on a host of its own; clients are on this machine and know the right answer to each question.
"""

from __future__ import annotations

import time

import pytest
from command import Operator
from load import Load

CLIENTS = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
SETTLE = 1.0  # seconds of load before and after what a test does

pytestmark = pytest.mark.hosts


def load(cluster: Operator, *clients: str) -> Load:
    return Load(8000, 8001, *(clients or CLIENTS), host=cluster.hosts["lb"].address)


def ready(cluster: Operator, *, wait: str = "40s") -> None:
    """Everything that is wanted is there, as `status --check` says it."""
    cluster.run("status", "--check", "--wait", wait)


def test_a_killed_triton_loses_nothing_and_comes_back(cluster: Operator) -> None:
    """SIGKILL of a Triton; its supervisor starts it again with its models."""
    with load(cluster) as under:
        time.sleep(SETTLE)
        cluster.hosts["gpu02"].run("pkill -9 -x tritonserver")
        time.sleep(SETTLE)
        ready(cluster)
        time.sleep(SETTLE)
    under.report.require_whole()


def test_a_hung_triton_loses_nothing(cluster: Operator) -> None:
    """SIGSTOP of a Triton, then SIGCONT."""
    host = cluster.hosts["gpu01"]
    with load(cluster) as under:
        time.sleep(SETTLE)
        host.run("pkill -STOP -x tritonserver")
        time.sleep(3)
        found = cluster.status()
        host.run("pkill -CONT -x tritonserver")
        ready(cluster)
        time.sleep(SETTLE)
    under.report.require_whole()
    assert {m["observed"]["serving"] for m in found["models"]} == {1}, "status saw one of two serve"


def test_a_cut_link_loses_nothing_and_heals(cluster: Operator) -> None:
    """The network cable of a node pulled under load, and plugged in again."""
    host = cluster.hosts["gpu02"]
    with load(cluster) as under:
        time.sleep(SETTLE)
        host.cut()
        time.sleep(SETTLE)
        seen = cluster.run("status", timeout=30)
        host.heal()
        ready(cluster)
        time.sleep(SETTLE)
    under.report.require_whole()
    assert "gpu02" in seen.stdout
    assert "short (1 of 2)" in seen.stdout


def test_a_power_cut_loses_nothing_and_up_brings_the_node_back(cluster: Operator) -> None:
    """No systemd in there: nothing starts by itself after the boot, as doctor warns, and `up` starts it."""
    host = cluster.hosts["gpu01"]
    with load(cluster) as under:
        time.sleep(SETTLE)
        host.power_cut()
        time.sleep(SETTLE)
        down = cluster.run("up", "-y", status=4)
        host.boot()
        plan = cluster.run("plan").stdout
        cluster.run("up", "-y")
        ready(cluster)
        time.sleep(SETTLE)
    under.report.require_whole()
    assert "gpu01" in down.stderr
    assert "distctl doctor --limit gpu01" in down.stderr
    assert "+ start server gpu01/0" in plan
    assert "it does not run" in plan
    assert "install" not in plan, "what was on the disk is used again"


def test_drain_undrain_and_scale_lose_nothing(cluster: Operator) -> None:
    """Planned work over ssh: a drained node gets nothing, and comes back; counts go down and up."""
    with load(cluster) as under:
        time.sleep(SETTLE)
        cluster.run("drain", "gpu01", "-m", "new kernel")
        drained = next(n for n in cluster.status()["nodes"] if n["node"] == "gpu01")
        cluster.run("undrain", "gpu01")
        cluster.run("scale", "digits=1", "simple=1")
        cluster.run("scale", "digits=auto", "simple=auto")
        ready(cluster)
        time.sleep(SETTLE)
    under.report.require_whole()
    assert drained["intent"]["why"] == "new kernel"
    assert drained["observed"]["released"]


def test_a_clock_that_jumps_is_told_and_moves_nothing(cluster: Operator) -> None:
    """Wrong clocks jump to the other side while a plan waits in a drain: leases, owner files, drains hold."""
    hosts = cluster.hosts
    said = cluster.run("doctor").stdout
    assert "the clock is 300 s ahead of this machine's" in said
    assert "the clock is 300 s behind this machine's" in said
    with load(cluster) as under:
        drain = cluster.start("drain", "gpu01", "-m", "the wrong time")
        time.sleep(SETTLE)
        hosts["gpu01"].set_clock("-5m")
        hosts["gpu02"].set_clock("+5m")
        owner = hosts["gpu01"].run("cat /root/.local/share/distctl/test/gpu01/owner").stdout
        read = time.time()
        drain.communicate(timeout=60)
        cluster.run("undrain", "gpu01")
        ready(cluster)
    under.report.require_whole()
    assert drain.returncode == 0
    assert abs(float(owner.split("\nat=")[1].split()[0]) - read) < 60, "the operator's time"
    assert "gpu01  warn  the clock is 300 s behind" in cluster.run("doctor").stdout
    assert "Nothing to do" in cluster.run("up", "-y").stderr


def test_infer_answers_by_both_protocols(cluster: Operator) -> None:
    """From this machine, through the router on a node."""
    for words in ((), ("--grpc",)):
        said = cluster.run("infer", "digits", *words).said
        assert "expected" in said
        assert cluster.hosts["lb"].address in said
    assert "Nothing to do" in cluster.run("up", "-y").stderr
