"""What a drain refuses, replaces, waits for and remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from local_cluster import LocalCluster, local_cluster, wait_until
from long_request import Asked


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """`simple` may live on n3 alone; `slow` has one replica, on n1 or n2."""
    pool = {"where": {"pool": "a"}}
    with local_cluster(
        nodes=3,
        models={
            "digits": {"replicas": 2, **pool},
            "slow": {"replicas": 1, **pool},
            "simple": {"replicas": 1, "where": {"pool": "b"}},
        },
        node_settings={
            "n1": {"labels": {"pool": "a"}},
            "n2": {"labels": {"pool": "a"}},
            "n3": {"labels": {"pool": "b"}},
        },
    ) as cluster:
        cluster.up()
        yield cluster


@pytest.fixture(autouse=True)
def _left_whole(cluster: LocalCluster) -> Iterator[None]:
    yield
    cluster.run("undrain", "n[1-3]")
    cluster.nothing_to_do()


def node(cluster: LocalCluster, name: str) -> dict[str, Any]:
    """A node in `status`."""
    return next(n for n in cluster.json("status")["nodes"] if n["node"] == name)


def home_of_slow(cluster: LocalCluster) -> str:
    """The node that has the only replica of `slow`."""
    (found,) = [
        n["node"]
        for n in cluster.json("status")["nodes"]
        if any("slow" in s["ready"] for s in n["observed"]["servers"])
    ]
    return str(found)


def test_the_last_replica_of_a_model_is_not_drained_without_force(cluster: LocalCluster) -> None:
    refused = cluster.run("drain", "n3", check=8)
    assert "simple would have no ready replica" in refused.err
    assert "--force" in refused.err
    assert not node(cluster, "n3")["intent"]["draining"]
    cluster.run("infer", "simple")


def test_with_force_it_is_done(cluster: LocalCluster) -> None:
    cluster.run("drain", "n3", "--force")
    assert node(cluster, "n3")["observed"]["released"]
    failed = cluster.run("infer", "simple", check=1)
    assert "error: simple at 127.0.0.1" in failed.err
    cluster.run("infer", "digits")


def test_a_replacement_is_placed_before_the_last_replica_leaves(cluster: LocalCluster) -> None:
    home = home_of_slow(cluster)
    with cluster.load("slow:http*2", "slow:grpc*2", "digits:http", "digits:grpc") as load:
        cluster.run("drain", home)
    load.report.require_whole()
    assert node(cluster, home)["observed"]["released"]
    other = "n2" if home == "n1" else "n1"
    assert cluster.serves(other, "slow")


def test_at_the_deadline_nothing_is_cut_and_the_node_stays_draining(cluster: LocalCluster) -> None:
    """Exit 6, the request is answered, and the same drain again ends well."""
    home = home_of_slow(cluster)
    asked = Asked(cluster, 8)
    time.sleep(0.5)
    ran = cluster.run("drain", home, "--timeout", "2s", check=6)
    assert "1 requests still in flight at the deadline" in ran.err
    assert "nothing was cut" in ran.err
    assert node(cluster, home)["intent"]["draining"]
    cluster.run("drain", home)
    asked.join(20)
    assert asked.status == 200
    assert asked.took >= 7.9


def test_progress_says_how_many_requests_are_in_flight(cluster: LocalCluster) -> None:
    home = home_of_slow(cluster)
    asked = [Asked(cluster, 6) for _ in range(3)]
    time.sleep(0.5)
    ran = cluster.run("drain", home)
    assert "3 in flight" in ran.err
    for one in asked:
        one.join(20)
        assert one.status == 200


def test_detached_it_ends_at_once_and_the_node_empties_by_itself(cluster: LocalCluster) -> None:
    home = home_of_slow(cluster)
    asked = Asked(cluster, 6)
    time.sleep(0.5)
    ran = cluster.run("drain", home, "--detach")
    assert f"distctl drain {home}" in ran.err
    assert node(cluster, home)["intent"]["draining"]
    assert asked.is_alive()
    asked.join(20)
    assert asked.status == 200
    wait_until(lambda: node(cluster, home)["observed"]["released"], "the node is empty")


def test_a_drained_node_stays_so_over_up_and_over_a_restart(cluster: LocalCluster) -> None:
    cluster.run("drain", "n1", "-m", "a new disk")
    cluster.up()
    before = cluster.process("n1")
    cluster.kill("n1")
    wait_until(lambda: cluster.process("n1") not in (0, before), "n1 restarts")
    cluster.up()
    seen = node(cluster, "n1")
    assert seen["intent"]["draining"]
    assert seen["intent"]["why"] == "a new disk"
    assert seen["observed"]["released"]


def test_a_cordoned_node_goes_on_and_gets_nothing_new(cluster: LocalCluster) -> None:
    """The second replica of `slow` could only go to the node that is cordoned."""
    other = "n2" if home_of_slow(cluster) == "n1" else "n1"
    with cluster.load("digits:http", "digits:grpc") as load:
        cluster.run("cordon", other, "-m", "soon")
        refused = cluster.run("scale", "slow=2", check=8)
    load.report.require_whole()
    assert f"closed to new replicas: {other}" in refused.err
    assert cluster.serves(other, "digits")
    cluster.run("undrain", other)
    cluster.run("scale", "slow=2")
    cluster.run("scale", "slow=auto")
