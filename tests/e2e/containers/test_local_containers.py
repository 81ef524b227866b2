"""Servers in containers on this machine, by real podman, under constant verified load."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from images import picture
from local_cluster import LocalCluster, local_cluster
from podman import Podman, podman
from registry import Registry, registry

CLIENTS = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
BINARY = {"kind": "binary"}


def boxed(image: str, **more: Any) -> dict[str, Any]:
    return {"kind": "container", "engine": "podman", "image": image, "shm": "256MiB", **more}


def change(cluster: LocalCluster, runtime: dict[str, Any]) -> None:
    cluster.spec["runtime"] = runtime
    cluster.write()


@pytest.fixture(scope="module")
def cluster(reg: Registry, engine: Podman) -> Iterator[LocalCluster]:
    """Two nodes of this machine; at first their servers are processes."""
    models = {"digits": 2, "simple": 2}
    with local_cluster(models=models, settings={"runtime": BINARY}) as made:
        made.up()
        yield made
        change(made, BINARY)


def identities(cluster: LocalCluster) -> list[int]:
    return [cluster.process(node) for node in cluster.nodes]


def refused(cluster: LocalCluster, runtime: dict[str, Any]) -> str:
    """What `up` says of a runtime that cannot be had; the servers that run are not touched."""
    before = identities(cluster)
    change(cluster, runtime)
    ran = cluster.up(check=None)
    change(cluster, BINARY)
    assert ran.code == 1, ran
    assert "Traceback" not in ran.err
    assert "next: " in ran.err
    assert identities(cluster) == before
    return ran.err


def test_what_cannot_be_pulled_changes_nothing(
    cluster: LocalCluster, reg: Registry, engine: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.load(*CLIENTS) as load:
        missing = refused(cluster, boxed(reg.image(tag="99")))
        wrong = refused(cluster, boxed(f"{reg.address}/triton@sha256:{'0' * 64}"))
        with small_storage(tmp_path, reg) as tiny, monkeypatch.context() as patch:
            for name, value in tiny.environment.items():
                patch.setenv(name, value)
            full = refused(cluster, boxed(reg.image()))
        damaged = picture("damaged", ballast=1_000_000)
        broken = reg.push(damaged, tag="damaged")
        reg.damage(damaged.layers[-1])
        mismatch = refused(cluster, boxed(broken))
    load.report.require_whole()
    assert "there is no triton:99" in missing
    assert "there is no such image in the registry; nothing was changed" in wrong
    assert "no space left where podman keeps images; nothing was changed" in full
    assert "what came is not what the digest says; nothing was changed" in mismatch
    cluster.nothing_to_do()


@contextlib.contextmanager
def small_storage(folder: Path, reg: Registry) -> Iterator[Podman]:
    """podman with a storage that is too small for the image."""
    graph = folder / "small"
    graph.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "small", str(graph)], check=True)
    try:
        yield podman(folder / "settings", reg.address, graph=graph)
    finally:
        subprocess.run(["umount", "-l", str(graph)], check=True)


def test_a_registry_that_dies_in_the_middle_of_a_pull_changes_nothing(
    cluster: LocalCluster, engine: Podman, tmp_path: Path
) -> None:
    """The inventory names the digest, so that nobody asks the registry before the node does."""
    with registry(tmp_path / "dying") as dying, cluster.load(*CLIENTS) as load:
        (Path(engine.environment["CONTAINERS_REGISTRIES_CONF"])).write_text(_insecure(dying))
        version = picture("dying", ballast=1_000_000)
        dying.push(version)
        dying.freeze()
        change(cluster, boxed(f"{dying.address}/triton@{version.digest}"))
        before = identities(cluster)
        with cluster.begin("up", "-y") as process:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if "pull image" in line and ": asking" in line:
                    dying.stop()
            process.wait()
        change(cluster, BINARY)
        assert identities(cluster) == before
    load.report.require_whole()
    assert "the node does not reach the registry; nothing was changed" in said
    cluster.nothing_to_do()


def _insecure(*registries: Registry) -> str:
    return "".join(f'[[registry]]\nlocation = "{r.address}"\ninsecure = true\n' for r in registries)


def test_from_processes_to_containers_to_another_image_and_back(
    cluster: LocalCluster, reg: Registry, engine: Podman
) -> None:
    settings = Path(engine.environment["CONTAINERS_REGISTRIES_CONF"])
    settings.write_text(_insecure(reg))
    with cluster.load(*CLIENTS) as load:
        change(cluster, boxed(reg.image(tag="1")))
        plan = cluster.run("plan")
        cluster.up()
        first = made(engine, cluster)
        logs = cluster.run("logs", "n1").out
        cluster.nothing_to_do()
        (victim,) = engine.containers("distctl.node=n2")
        os.kill(int(engine.run("inspect", "--format", "{{.State.Pid}}", victim)), signal.SIGKILL)
        time.sleep(1)
        cluster.wait_whole()
        assert engine.containers("distctl.node=n2") == [victim], "the engine itself started it again"
        change(cluster, boxed(reg.image(tag="2")))
        moved = cluster.run("plan").out
        cluster.up()
        second = made(engine, cluster)
        cluster.nothing_to_do()
        change(cluster, BINARY)
        cluster.up()
        cluster.nothing_to_do()
    load.report.require_whole()
    assert f"pull image {reg.image(tag='1')}@sha256:" in plan.out
    assert "says the registry" in plan.err
    assert "Started GRPCInferenceService" in logs
    assert f"pull image {reg.image(tag='2')}@sha256:" in moved
    assert {c["Labels"]["suite.version"] for c in first} == {"1"}
    assert {c["Labels"]["suite.version"] for c in second} == {"2"}
    assert {c["Labels"]["distctl.node"] for c in second} == {"n1", "n2"}
    assert made(engine, cluster) == []


def made(engine: Podman, cluster: LocalCluster) -> list[dict[str, Any]]:
    """The configurations of a cluster's containers."""
    found = engine.containers(f"distctl.cluster={cluster.name}")
    return [c["Config"] for c in json.loads(engine.run("inspect", *found))] if found else []


@pytest.mark.nightly
def test_an_operator_killed_between_pull_and_start_is_followed_by_one_that_converges(
    cluster: LocalCluster, reg: Registry, engine: Podman
) -> None:
    Path(engine.environment["CONTAINERS_REGISTRIES_CONF"]).write_text(_insecure(reg))
    change(cluster, boxed(reg.image(tag="1")))
    with cluster.load(*CLIENTS) as load:
        with cluster.begin("up", "-y") as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "pull image" in line and "done" in line:
                    break
            process.send_signal(signal.SIGKILL)
        cluster.up("--lease-wait", "60s")
        cluster.nothing_to_do()
        change(cluster, BINARY)
        cluster.up()
    load.report.require_whole()
