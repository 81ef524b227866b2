"""Two servers of one node in containers, with models that ask for different versions of a package."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from local_cluster import LocalCluster, local_cluster
from podman import Podman
from registry import Registry
from wheelhouse import make_model, make_wheel, numpy_wheel, only_from

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # the image's, which is this machine's
PACKAGES = {"one": "1.0", "two": "2.0"}


@pytest.fixture(scope="module")
def cluster(
    reg: Registry, engine: Podman, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    """A node with two servers in containers and `one` and `two` in both; nothing is up yet."""
    house = tmp_path_factory.mktemp("house")
    for version in PACKAGES.values():
        make_wheel(house, "colour", version)
    runtime = {"kind": "container", "engine": "podman", "image": reg.image(), "shm": "256MiB"}
    with pytest.MonkeyPatch.context() as patch:
        only_from(patch, house, numpy_wheel(PYTHON))
        with local_cluster(nodes=1, models={}, settings={"runtime": runtime}) as made:
            made.spec["nodes"]["n1"]["servers"] |= {"per": 2, "gpus": "none"}
            for name, version in PACKAGES.items():
                make_model(made.folder / "models" / name, f"colour=={version}\n", instances=1)
            made.add(dict.fromkeys(PACKAGES, 2))
            yield made


def test_without_its_python_an_image_of_others_is_refused_and_nothing_is_changed(
    cluster: LocalCluster,
) -> None:
    ran = cluster.up(check=2)
    assert "one has a requirements.txt, and nobody knows the Python of" in ran.err
    assert 'next: write it, as runtime: {python: "3.10"}' in ran.err
    assert not cluster.root("n1").exists()


def test_each_model_in_each_container_sees_its_own_version(
    cluster: LocalCluster, reg: Registry, engine: Podman
) -> None:
    cluster.spec["runtime"]["python"] = PYTHON
    cluster.write()
    planned = cluster.json("plan")
    cluster.up()
    first = cluster.ports["http"]
    made = containers(engine, cluster)
    for port in (first + 10, first + 20):
        assert {name: ask(port, name) for name in PACKAGES} == PACKAGES
    for name, container in made.items():
        script = (cluster.root("n1") / "units" / f"server-{name}" / "run").read_text()
        assert "CUDA_VISIBLE_DEVICES" not in script, "the engine gives devices, not the script"
        assert f"{first + 10 * int(name) + 10}," in container["distctl.ports"]
    assert sorted(made) == ["0", "1"]
    (image,) = planned["images"]
    assert (image["node"], image["image"], image["source"]) == ("n1", reg.image(), "registry")
    assert image["digest"].startswith("sha256:")
    cluster.nothing_to_do()


@pytest.mark.nightly
def test_back_to_processes_and_forth_by_rollback_loses_nothing(cluster: LocalCluster, engine: Podman) -> None:
    cluster.spec["runtime"]["python"] = PYTHON  # also where this test alone is run
    cluster.add({"digits": 2})
    cluster.up()
    with cluster.load("digits:http*2", "digits:grpc") as load:
        cluster.spec["runtime"] = {"kind": "binary"}
        cluster.write()
        cluster.up()
        assert containers(engine, cluster) == {}
        assert ask(cluster.ports["http"] + 20, "two") == "2.0"
        cluster.run("rollback", "-y")
        time.sleep(0.5)
    load.report.require_whole(at_least=20)
    assert sorted(containers(engine, cluster)) == ["0", "1"]
    assert {name: ask(cluster.ports["http"] + 10, name) for name in PACKAGES} == PACKAGES


def test_down_takes_containers_image_and_environments_along(
    cluster: LocalCluster, reg: Registry, engine: Podman
) -> None:
    assert list((cluster.root("n1") / "environments").iterdir())
    assert engine.images(reg.address)
    cluster.run("down", "-y")
    assert containers(engine, cluster) == {}
    assert not engine.images(reg.address), "the image that was pulled went with the cluster"
    assert not cluster.root("n1").exists()


def ask(port: int, model: str) -> str:
    """The version of the package that a model of one server sees, which NumPy 1 came with."""
    body: dict[str, Any] = {"inputs": [{"name": "X", "shape": [1], "datatype": "FP32", "data": [0]}]}
    url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=20) as found:
        said, numpy = json.load(found)["outputs"][0]["data"]
    assert numpy.startswith("1."), numpy
    return str(said.partition(" ")[0])


def containers(engine: Podman, cluster: LocalCluster) -> dict[str, dict[str, str]]:
    """The labels of the cluster's containers, by server."""
    found = [engine.labels(id_) for id_ in engine.containers(f"distctl.cluster={cluster.name}")]
    return {labels["distctl.server"]: labels for labels in found}
