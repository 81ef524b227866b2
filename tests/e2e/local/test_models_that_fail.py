"""A model that does not load is named with its reason, and nobody else pays for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local_cluster import LocalCluster, local_cluster

DAMAGED = "weights are damaged: expected 4096 bytes, found 17"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2, "versioned": 2}) as cluster:
        cluster.add({"broken": 1})
        yield cluster


def test_a_broken_model_is_named_with_its_reason_and_the_others_serve(cluster: LocalCluster) -> None:
    """Also at the very first `up`, where its server starts with all its models at once."""
    ran = cluster.up(check=3)
    assert DAMAGED in ran.err
    assert "broken" in ran.err
    said = [line for line in ran.err.splitlines() if line.startswith("  | ")]
    assert 1 <= len(said) <= 20
    assert any(DAMAGED in line for line in said)
    assert "next: distctl logs n" in ran.err
    for model in ("digits", "versioned"):
        found = next(m for m in cluster.json("status")["models"] if m["model"] == model)
        assert found["observed"]["serving"] == 2
    cluster.run("status", "--check", check=1)
    again = cluster.up(check=None)
    assert again.code in (1, 3)
    assert DAMAGED in again.err


def test_once_it_left_the_file_all_is_well(cluster: LocalCluster) -> None:
    del cluster.spec["models"]["broken"]
    cluster.write()
    cluster.up("--prune")
    cluster.nothing_to_do()


def test_a_changed_model_that_is_broken_ends_with_7_and_the_old_version_serves(
    cluster: LocalCluster,
) -> None:
    """Also after a restart: the start script names the old content again."""
    file = cluster.model("versioned") / "2" / "model.py"
    sound = file.read_text()
    file.write_text(sound.replace("def execute", "def execute(:"))
    with cluster.load("versioned:http*2", "versioned:grpc*2") as load:
        ran = cluster.up(check=7)
        cluster.kill("n1")
        cluster.wait_whole()
    load.report.require_whole()
    assert "the old version serves on" in ran.err
    file.write_text(sound)
    cluster.up()
    cluster.nothing_to_do()


def test_a_slow_load_shows_its_progress_is_asked_for_once_and_hangs_nobody(cluster: LocalCluster) -> None:
    with cluster.load("digits:http*8", "digits:grpc*2", pause=0.1) as load:
        cluster.add({"slowload": 1})
        ran = cluster.up()
    load.report.require_whole()
    assert load.report.longest < 3, "a load of five seconds hung requests to another model"
    lines = [line for line in ran.err.splitlines() if "slowload" in line and "loading" in line]
    assert lines, ran.err
    logs = "".join((cluster.root(n) / "units/server-0/log").read_text() for n in cluster.nodes)
    assert logs.count("loading: slowload:1") == 1
    cluster.run("status", "--check")
