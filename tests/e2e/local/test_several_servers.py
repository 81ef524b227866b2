"""Several servers on one node, each with a GPU of its own: assigned, told, drained, scaled, never lost.

The GPUs are those that a stand-in for nvidia-smi lists; Triton itself runs on the CPU here and reports none.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nvidia_smi
import pytest
from local_cluster import LocalCluster, local_cluster, wait_until

GPUS = ("GPU-5a1b2c3d-0000-4000-8000-000000000000", "GPU-6b2c3d4e-0000-4000-8000-000000000001")
CLIENTS = ("digits:http*2", "digits:grpc*2", "slow:http", "slow:grpc")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """n1 has a server for each GPU, n2 one that sees none; nothing is up yet."""
    with local_cluster(nodes=2, models={"digits": 3, "slow": 2}) as cluster:
        nodes, first = cluster.spec["nodes"], cluster.ports["http"]
        nodes["n1"]["servers"] = {"per": "gpu", "ports": first + 10}
        nodes["n2"]["servers"] = {"gpus": "none", "ports": first + 30}
        cluster.write()
        yield cluster


def seen(cluster: LocalCluster) -> dict[str, dict[str, Any]]:
    """The servers by their names, as `status` tells them."""
    nodes = cluster.json("status")["nodes"]
    return {server["server"]: server for node in nodes for server in node["observed"]["servers"]}


def visible(pid: int) -> str | None:
    """CUDA_VISIBLE_DEVICES of a process; None when it has none."""
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    found = [word.partition("=")[2] for word in words if word.startswith("CUDA_VISIBLE_DEVICES=")]
    return found[0] if found else None


def pids(cluster: LocalCluster) -> list[int]:
    return [cluster.process("n1", "server-0"), cluster.process("n1", "server-1"), cluster.process("n2")]


def test_before_the_first_look_nobody_knows_how_many_servers_there_are(cluster: LocalCluster) -> None:
    assert "one per GPU; known after the first look" in cluster.run("inventory").out
    assert "n1: servers: one per GPU; known after the first look" in cluster.run("doctor", "--offline").err


def test_a_node_without_a_gpu_is_told_of_and_the_rest_goes_on(cluster: LocalCluster) -> None:
    nvidia_smi.install(cluster.tools)
    ran = cluster.up(check=None)
    assert ran.code not in (0, 2), ran
    assert "one per GPU, and nvidia-smi lists no GPU" in ran.err
    cluster.run("infer", "digits")
    assert pids(cluster)[:2] == [0, 0]
    examined = cluster.run("doctor", check=1)
    assert "fail  one per GPU, and nvidia-smi lists no GPU" in examined.out


def test_each_gpu_gets_a_server_with_its_own_ports(cluster: LocalCluster) -> None:
    nvidia_smi.install(cluster.tools, *GPUS)
    cluster.up()
    assert [visible(pid) for pid in pids(cluster)] == [*GPUS, ""]
    first = cluster.ports["http"]
    servers = seen(cluster)
    assert [(s["server"], s["http"], s["gpus"]) for s in servers.values()] == [
        ("n1/0", f"127.0.0.1:{first + 10}", [GPUS[0]]),
        ("n1/1", f"127.0.0.1:{first + 20}", [GPUS[1]]),
        ("n2/0", f"127.0.0.1:{first + 30}", []),
    ]
    assert [s["reported_gpus"] for s in servers.values()] == [[], [], []]  # on a CPU Triton has none to tell
    homes = {server["server"] for server in servers.values() if "slow" in server["ready"]}
    assert {home.partition("/")[0] for home in homes} == {"n1", "n2"}  # one on each node, though n1 has room
    assert {"digits"} <= set(servers["n1/0"]["ready"]) & set(servers["n1/1"]["ready"])
    assert cluster.json("infer", "digits")["server"] in {"n1/0", "n1/1", "n2/0"}
    shown = cluster.run("status").out
    assert "  n1/1" in shown
    assert "1 GPU-6b2c3d4e" in shown


def test_logs_of_a_node_are_those_of_all_its_servers(cluster: LocalCluster) -> None:
    both = cluster.run("logs", "n1", "-n", "3").out.splitlines()
    assert {line.partition(": ")[0] for line in both} == {"n1/0", "n1/1"}
    one = cluster.run("logs", "n1/1", "-n", "1000").out
    assert f":{cluster.ports['http'] + 20}" in one
    assert f":{cluster.ports['http'] + 10}" not in one
    unknown = cluster.run("logs", "n1/7", check=2)
    assert "n1/0, n1/1" in unknown.err


def test_drain_of_the_node_and_scale_lose_nothing(cluster: LocalCluster) -> None:
    with cluster.load(*CLIENTS) as load:
        cluster.run("drain", "n1")
        (drained,) = [n for n in cluster.json("status")["nodes"] if n["node"] == "n1"]
        cluster.run("undrain", "n1")
        cluster.run("scale", "digits=1")
        cluster.run("scale", "digits=auto")
    load.report.require_whole()
    assert drained["observed"]["released"]
    assert {"n1/0", "n1/1"} == {s["server"] for s in drained["observed"]["servers"]}


def test_a_gpu_that_is_not_listed_takes_no_server_away(cluster: LocalCluster) -> None:
    """One that runs is left as it is, one that does not is not started; both stay and are told of."""
    before = pids(cluster)
    nvidia_smi.install(cluster.tools, GPUS[0])
    plan = cluster.run("plan").out
    assert f"note: n1/1 runs on: nvidia-smi does not list its {GPUS[1]}" in plan
    assert "Plan: 0 to add, 0 to update, 0 to remove" in plan
    cluster.up()
    assert "nvidia-smi does not list" in seen(cluster)["n1/1"]["reason"]
    assert pids(cluster) == before
    os.kill(before[1], signal.SIGKILL)
    wait_until(lambda: cluster.process("n1", "server-1") not in (0, before[1]), "n1/1 restarts by itself")
    nvidia_smi.install(cluster.tools, *GPUS)
    cluster.up()
    cluster.wait_whole()
    assert visible(cluster.process("n1", "server-1")) == GPUS[1]


def test_two_servers_one_and_two_again_lose_nothing(cluster: LocalCluster) -> None:
    """From one for each GPU to a number, with the same GPUs: the one that stays is not even restarted."""
    servers = cluster.spec["nodes"]["n1"]["servers"]
    before = pids(cluster)
    with cluster.load(*CLIENTS) as load:
        for how in ({"per": 1, "gpus": [0]}, {"per": 2, "gpus": [0, 1]}):
            servers.update(how)
            cluster.spec["models"]["digits"]["replicas"] = how["per"] + 1
            cluster.write()
            cluster.up()
    load.report.require_whole()
    assert pids(cluster)[0] == before[0]
    assert [visible(pid) for pid in pids(cluster)] == [*GPUS, ""]
    cluster.nothing_to_do()
