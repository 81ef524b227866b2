"""Models with needs, from `up` to `down`: a real embedding model, new requirements under load, no network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local_cluster import LocalCluster, local_cluster
from wheelhouse import make_wheel, without_network

from distctl.adapters.artifacts import default_cache

CODE = """import distctl_test_number
import numpy as np
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]
    def answer(self, request):
        values = pb.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        return pb.InferenceResponse([pb.Tensor("OUTPUT0", values + np.int32(distctl_test_number.NUMBER))])
"""
BEGIN = "# Whatever is newest when this is resolved.\ndistctl-test-number\n"


@pytest.fixture(scope="module")
def house() -> Iterator[Path]:
    """A folder of wheels beside the index: a package whose versions answer 1000, 2000 and 3000."""
    with pytest.MonkeyPatch.context() as patch:
        folder = default_cache() / "for-tests" / "house"
        for old in folder.glob("*.whl"):
            old.unlink()
        release(folder, 1)
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


def release(folder: Path, version: int) -> None:
    """Publish a version of the package."""
    text = f"NUMBER = {1000 * version}\n"
    make_wheel(folder, "distctl-test-number", f"{version}.0", {"distctl_test_number.py": text})


def ask_for(cluster: LocalCluster, text: str) -> None:
    """Give `versioned` these requirements, and code that answers with what they bring."""
    folder = cluster.model("versioned")
    (folder / "requirements.txt").write_text(text)
    for version in folder.glob("[12]"):
        (version / "model.py").write_text(CODE)


@pytest.fixture(scope="module")
def cluster(house: Path) -> Iterator[LocalCluster]:
    with local_cluster(nodes=2, models={"versioned": 2, "sentences": 1}) as cluster:
        ask_for(cluster, BEGIN + f"# {time.time_ns()}\n")  # resolved in this run
        cluster.up()
        yield cluster


@pytest.fixture
def elsewhere(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another operator's machine: without a network, and with nothing in the cache but the runtime."""
    cache = cluster.folder / f"cache-{time.time_ns()}"
    cache.mkdir()
    (cache / "runtimes").symlink_to(default_cache() / "runtimes")
    monkeypatch.setenv("DISTCTL_CACHE", str(cache))
    without_network(monkeypatch)
    return cache


def environments(cluster: LocalCluster, node: str) -> set[str]:
    return {folder.name for folder in (cluster.root(node) / "environments").iterdir()}


def test_sentences_that_mean_the_same_are_nearest(cluster: LocalCluster) -> None:
    found = cluster.json("infer", "sentences")
    assert found["outputs"]["NEAREST"] == found["expected"]["NEAREST"]
    vectors = np.array(found["outputs"]["EMBEDDING"]).reshape(-1, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    alike = vectors @ vectors.T
    half = len(vectors) // 2  # sentence n and its paraphrase n + half
    paraphrases = np.diag(alike[:half, half:])
    strangers = alike - np.eye(len(vectors)) - np.roll(np.eye(len(vectors)), half, axis=1) * alike
    assert paraphrases.min() > 0.4
    assert strangers.max() < 0.2


def test_changed_requirements_roll_without_a_failed_request(cluster: LocalCluster, house: Path) -> None:
    before = {node: environments(cluster, node) for node in cluster.nodes}
    release(house, 2)
    with cluster.load("versioned:http*2", "versioned:grpc*2") as load:
        time.sleep(0.5)
        ask_for(cluster, "distctl-test-number==2.0\n")
        planned = cluster.run("plan").out
        cluster.up()
        time.sleep(0.5)
    load.report.require_whole()
    assert planned.count("reload versioned") == 2
    assert planned.count("install environment") == 2
    assert {round(answer(cluster), -3) for _ in range(8)} == {2000}
    for node in cluster.nodes:
        assert len(environments(cluster, node) - before[node]) == 1, "nothing else is sent again"
        assert before[node] < environments(cluster, node), "the one before stays for a quick way back"
    cluster.nothing_to_do()


def answer(cluster: LocalCluster) -> int:
    import json
    import urllib.request

    body = {"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [7]}]}
    url = f"http://127.0.0.1:{cluster.ports['http']}/v2/models/versioned/infer"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=20) as found:
        return int(json.load(found)["outputs"][0]["data"][0])


def test_another_operator_finds_nothing_to_do(cluster: LocalCluster, house: Path, elsewhere: Path) -> None:
    """Their cache is empty, and something newer has appeared: what the nodes hold has the last word."""
    release(house, 3)
    cluster.nothing_to_do()
    assert not (elsewhere / "environments").exists()


def test_without_a_network_nothing_is_changed_and_the_rest_goes_on(
    cluster: LocalCluster, elsewhere: Path
) -> None:
    kept = (cluster.model("versioned") / "requirements.txt").read_text()
    ask_for(cluster, "distctl-test-number==3.0\n")
    before = {node: environments(cluster, node) for node in cluster.nodes}
    try:
        planned = cluster.run("plan").out
        refused = cluster.up(check=1)
        doctor = cluster.run("doctor", check=None)
        cluster.run("drain", "n2")
        cluster.run("undrain", "n2")
    finally:
        ask_for(cluster, kept)
    assert "versioned: its requirements are not resolved yet" in planned
    assert "Plan: 0 to add, 0 to update, 0 to remove" in planned
    assert "distctl-test-number: pip could not reach its package index" in refused.err
    assert (
        f"next: run the same command once where pip has a network: what it gets is kept in {elsewhere}"
        in (" ".join(refused.err.split()))
    )
    assert "distctl-test-number: pip could not reach" in " ".join(doctor.out.split())
    assert {node: environments(cluster, node) for node in cluster.nodes} == before
    assert round(answer(cluster), -3) == 2000
    cluster.nothing_to_do()


@pytest.mark.nightly
def test_old_environments_go(cluster: LocalCluster, house: Path) -> None:
    for version in (2, 3):
        release(house, version)
        ask_for(cluster, f"distctl-test-number=={version}.0\n")
        cluster.up()
    for node in cluster.nodes:
        found = environments(cluster, node)
        assert len(found) == (3 if cluster.serves(node, "sentences") else 2)
    assert round(answer(cluster), -3) == 3000
    cluster.nothing_to_do()
