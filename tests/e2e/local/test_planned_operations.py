"""Planned operations lose nothing: unary requests, large ones, sequences and streams alike.

Drain, scale, a changed model, changed settings, a reload for a new model: each under verified load of every
kind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from load import Load
from load_connections import Http
from local_cluster import LocalCluster, local_cluster

EVERY = ("digits:http", "digits:grpc", "slow:http", "slow:grpc", "large:grpc", "large:http")
LASTING = ("sequence:http", "sequence:grpc", "stream:grpc")
MODELS: dict[str, int | dict[str, Any]] = {
    "digits": 2,
    "slow": 2,
    "versioned": 2,
    "simple_sequence": 2,
    "repeat_int32": 2,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(nodes=3, models=MODELS) as cluster:
        # A drain waits as long as a sequence may pause: ten seconds in the sample, two here.
        config = cluster.model("simple_sequence") / "config.pbtxt"
        config.write_text(config.read_text().replace("10000000", "2000000"))
        cluster.up()
        yield cluster


@pytest.fixture(autouse=True)
def _left_whole(cluster: LocalCluster) -> Iterator[None]:
    """Each test leaves a cluster that is what the inventory says."""
    yield
    cluster.nothing_to_do()


@contextmanager
def nothing_lost(cluster: LocalCluster, *clients: str) -> Iterator[Load]:
    """Load of some clients for the length of the block, whole at its end."""
    with cluster.load(*clients) as load:
        time.sleep(0.5)
        yield load
        time.sleep(1)
    load.report.require_whole()


def test_drain_and_undrain_lose_nothing(cluster: LocalCluster) -> None:
    with nothing_lost(cluster, *EVERY, *LASTING):
        cluster.run("drain", "n1", "-m", "kernel update")
        drained = cluster.json("status")["nodes"][0]
        cluster.run("undrain", "n1")
    assert drained["intent"]["draining"]
    assert drained["intent"]["why"] == "kernel update"
    assert drained["observed"]["released"]
    assert drained["observed"]["in_flight"] == 0


@pytest.mark.nightly
def test_several_nodes_drained_one_after_the_other_lose_nothing(cluster: LocalCluster) -> None:
    with nothing_lost(cluster, *EVERY):
        cluster.run("drain", "n[1-2]")
        states = {n["node"]: n["intent"]["draining"] for n in cluster.json("status")["nodes"]}
        cluster.run("undrain", "n1", "n2")
    assert states == {"n1": True, "n2": True, "n3": False}


def test_scale_one_three_one_loses_nothing(cluster: LocalCluster) -> None:
    with nothing_lost(cluster, "digits:http*2", "digits:grpc*2"):
        for number in (1, 3, 1):
            cluster.run("scale", f"digits={number}", "-m", "a test")
            cluster.wait_whole()
            (found,) = [m for m in cluster.json("status")["models"] if m["model"] == "digits"]
            assert found["observed"]["serving"] == number
        cluster.run("scale", "digits=auto")


def test_a_sequence_that_pauses_outlives_a_scale_down(cluster: LocalCluster) -> None:
    """Nothing is in flight between its steps, and its server must stay until it has ended."""
    stack = ExitStack()
    clients = [stack.enter_context(closing(Http("127.0.0.1", cluster.ports["http"]))) for _ in range(4)]

    def step(number: int, place: int) -> list[int]:
        inputs = [{"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [1]}]
        how = {"sequence_id": 77 + number, "sequence_start": place == 0, "sequence_end": place == 4}
        return clients[number]("simple_sequence", inputs, how)["SUM"]

    assert [step(n, 0) for n in range(4)] == [[1]] * 4
    with stack, cluster.begin("scale", "simple_sequence=1") as scaling:
        for place in range(1, 5):
            time.sleep(1.5)
            assert [step(n, place) for n in range(4)] == [[place + 1]] * 4
        out, err = scaling.communicate(timeout=60)
    assert scaling.returncode == 0, out + err
    assert "sequences may be open" in err
    cluster.run("scale", "simple_sequence=auto")


def test_a_changed_model_loses_nothing_and_ends_with_the_new_version_alone(cluster: LocalCluster) -> None:
    folder = cluster.model("versioned")
    newest = max((p for p in folder.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name))
    before = answer(cluster)
    with nothing_lost(cluster, "versioned:http*2", "versioned:grpc*2"):
        (newest / "answer.txt").write_text("3000")
        cluster.up()
    assert before != 3000
    assert {answer(cluster) for _ in range(8)} == {3000}


def answer(cluster: LocalCluster) -> int:
    """What the model adds now."""
    request = cluster.folder / "request.json"
    request.write_text('{"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [0]}]}')
    found = cluster.json("infer", "versioned", "--input", str(request))
    return int(found["outputs"]["OUTPUT0"][0])


def test_a_new_model_reloads_the_router_and_loses_nothing(cluster: LocalCluster) -> None:
    with nothing_lost(cluster, *EVERY, *LASTING):
        cluster.add({"tumour": 1})
        cluster.up()
        cluster.run("infer", "tumour")


def test_changed_settings_restart_server_after_server_and_lose_nothing(cluster: LocalCluster) -> None:
    """Drain, stop, start: those that are not in turn go on."""
    before = [cluster.process(node) for node in cluster.nodes]
    with nothing_lost(cluster, "digits:http", "digits:grpc", "slow:http", "slow:grpc"):
        cluster.spec["runtime"] = {"kind": "binary", "environment": {"OMP_NUM_THREADS": "2"}}
        cluster.write()
        cluster.run("scale", "tumour=0")  # its only replica would be interrupted
        cluster.up()
    cluster.run("scale", "tumour=auto")
    assert not set(before) & {cluster.process(node) for node in cluster.nodes}
