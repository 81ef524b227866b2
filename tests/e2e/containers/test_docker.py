"""The same by a real docker daemon: one node, from nothing to an answer, a crash, and nothing left."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from dockerd import Docker, dockerd, missing
from local_cluster import LocalCluster, local_cluster
from registry import Registry


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with dockerd() as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


@pytest.fixture
def cluster(reg: Registry, docker: Docker) -> Iterator[LocalCluster]:
    runtime = {"kind": "container", "engine": "docker", "image": reg.image(), "shm": "256MiB"}
    with local_cluster(nodes=1, models={"digits": 1}, settings={"runtime": runtime}) as made:
        yield made


def test_a_server_in_docker_answers_and_comes_back_after_a_crash(
    cluster: LocalCluster, docker: Docker
) -> None:
    cluster.up()
    cluster.nothing_to_do()
    said = cluster.run("doctor", check=None).out
    (container,) = docker.containers(f"distctl.cluster={cluster.name}")
    made = json.loads(docker.run("inspect", container))[0]
    with cluster.load("digits:http", "digits:grpc") as load:
        time.sleep(1)
    load.report.require_whole(at_least=20)
    os.kill(made["State"]["Pid"], 9)
    cluster.wait_whole()
    assert docker.containers(f"distctl.cluster={cluster.name}") == [container]
    cluster.nothing_to_do()
    assert "docker " in said
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert made["HostConfig"]["LogConfig"]["Config"]["max-file"] == "3"
    cluster.run("down", "-y")
    assert docker.run("ps", "--all", "--quiet") == ""
    assert docker.run("images", "--quiet") == "", "the image that was pulled went with the cluster"
