"""`-o json` gives one document of every command, and what is wanted stands apart from what was seen."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from local_cluster import LocalCluster, local_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2}) as cluster:
        cluster.up()
        yield cluster


READERS = (
    ("inventory",),
    ("inventory", "--node", "n1"),
    ("doctor",),
    ("plan",),
    ("status",),
    ("events",),
    ("events", "--node", "n1", "--kind", "up"),
    ("explain", "n1"),
    ("explain", "digits"),
    ("explain", "main"),
    ("top",),
    ("history",),
    ("infer", "digits"),
    ("infer", "digits", "--grpc"),
)
WRITERS = (
    ("up", "-y"),
    ("scale", "digits=1"),
    ("scale", "digits=auto"),
    ("cordon", "n1"),
    ("undrain", "n1"),
    ("drain", "n1"),
    ("undrain", "n1"),
)


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_what_looks_gives_one_document(cluster: LocalCluster, words: tuple[str, ...]) -> None:
    found = cluster.json(*words)
    assert found["kind"] == words[0]
    assert found["generated_at"]


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_what_changes_gives_one_document_with_an_outcome_for_each_node(
    cluster: LocalCluster, words: tuple[str, ...]
) -> None:
    found = cluster.json(*words)
    assert found["kind"] == words[0]
    assert found["exit_code"] == 0
    steps = [step for node in found["nodes"] for step in node["steps"]]
    assert len(steps) == len(found["plan"]["steps"])
    assert {step["outcome"] for step in steps} <= {"done"}


def test_status_keeps_intent_and_observation_apart(cluster: LocalCluster) -> None:
    node = cluster.json("status")["nodes"][0]
    assert set(node) == {"node", "intent", "observed"}
    assert node["observed"]["servers"][0]["ready"] == ["digits"]


def test_an_inference_names_the_server_that_answered(cluster: LocalCluster) -> None:
    found = cluster.json("infer", "digits")
    assert found["node"] in ("n1", "n2")
    assert found["outputs"]["DIGIT"] == found["expected"]["DIGIT"]


def test_nobody_who_does_not_ask_is_told_the_servers_name(cluster: LocalCluster) -> None:
    url = f"http://127.0.0.1:{cluster.ports['http']}/v2/models/digits/ready"
    told = {}
    for asked in ({}, {"x-distctl-server": "?"}):
        with urllib.request.urlopen(urllib.request.Request(url, headers=asked), timeout=5) as answer:
            told[len(asked)] = answer.headers.get("x-distctl-server", "")
    assert told[0] == ""
    assert told[1] in ("n1.0", "n2.0")


def test_a_failure_is_a_document_too(cluster: LocalCluster) -> None:
    """The message is on stderr, the code in the document and in the exit status."""
    cluster.add({"broken": 1})
    found = cluster.json("up", "-y", check=3)
    assert found["exit_code"] == 3
    failed = [s for n in found["nodes"] for s in n["steps"] if s["outcome"] == "failed"]
    assert failed
    assert "weights are damaged" in failed[0]["detail"]
    del cluster.spec["models"]["broken"]
    cluster.write()
    cluster.up("--prune")


def test_down_gives_one_document(cluster: LocalCluster) -> None:
    found = cluster.json("down", "-y")
    assert found["kind"] == "down"
    assert found["exit_code"] == 0
