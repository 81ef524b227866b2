"""What a node whose servers run in containers would stumble on, each with what mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_doctor import GOOD, NODE

from distctl.cluster.spec import Container, Node, Runtime, RuntimeKind
from distctl.facts.doctor import verdicts
from distctl.facts.verdict import Level, Verdict

BOXED = replace(NODE, runtime=Runtime(RuntimeKind.CONTAINER))
DOCKER = {
    "containers": "docker podman",
    "engine.docker.version": "24.0.7",
    "engine.docker.storage": "/var/lib/docker",
    "engine.docker.free": str(90 * 10**9),
    "engine.docker.restart": "yes",
    "engine.docker.init": "yes",
    "nvidia.device": "no",
}
PODMAN = {key.replace(".docker.", ".podman."): value for key, value in DOCKER.items()} | {
    "engine.podman.version": "4.9.4",
    "engine.podman.rootless": "yes",
}


def found(facts: dict[str, str], node: Node = BOXED, **how: object) -> list[Verdict]:
    return [v for v in verdicts(node, {**GOOD, **facts}, **how) if v.level is not Level.OK]  # type: ignore[arg-type]


def without(facts: dict[str, str], key: str) -> dict[str, str]:
    return {k: v for k, v in facts.items() if k != key}


@pytest.mark.parametrize("facts", [DOCKER, PODMAN], ids=["docker", "podman"])
def test_a_good_node_has_nothing_but_good_news(facts: dict[str, str]) -> None:
    assert found(facts) == []
    assert found({**facts, "glibc": "2.17", "python.3.11.library": ""}) == [], "the image brings its own"


@pytest.mark.parametrize(
    ("facts", "level", "what", "remedy"),
    [
        ({"containers": ""}, Level.FAIL, "there is no docker or podman", "sudo apt-get install -y podman"),
        (
            {
                "containers": "docker",
                "engine.docker.problem": "permission denied while trying to connect to the Docker daemon socket",
            },
            Level.FAIL,
            "the account may not use docker's socket",
            "sudo usermod -aG docker ops and log in anew, or set `ssh.become`, or use podman",
        ),
        (
            {**DOCKER, "engine.docker.free": str(3 * 10**9)},
            Level.WARN,
            "3.0 GB free in /var/lib/docker, where docker keeps images",
            "NVIDIA's image needs 20 GB: free some there",
        ),
        (
            without(PODMAN, "engine.podman.init"),
            Level.WARN,
            "podman has no catatonit: what a model leaves behind in its container stays until a restart",
            "sudo apt-get install -y catatonit",
        ),
        (
            {**DOCKER, "engine.docker.restart": "no"},
            Level.WARN,
            "docker does not start servers again after a boot",
            "sudo systemctl enable docker",
        ),
        (
            {**PODMAN, "systemd.linger": "no"},
            Level.WARN,
            "podman does not start servers again after a boot",
            "sudo loginctl enable-linger ops; systemctl --user enable podman-restart.service",
        ),
        (
            {**PODMAN, "engine.podman.restart": "no", "systemd": "no"},
            Level.WARN,
            "podman does not start servers again after a boot",
            "after a boot: distctl up",
        ),
        (
            {**DOCKER, "nvidia.device": "yes", "gpus": "1"},
            Level.FAIL,
            "server default: docker cannot give GPUs to containers",
            "install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    facts: dict[str, str], level: Level, what: str, remedy: str
) -> None:
    assert found(facts) == [Verdict(level, what, remedy)]


def test_an_image_that_is_there_needs_no_more_room() -> None:
    assert found({**DOCKER, "engine.docker.free": "1"}, installed=True) == []


def test_a_gpu_where_there_is_none_is_named_before_anything_is_tried() -> None:
    server = replace(NODE.servers[0], gpus=("7",))
    (verdict,) = found(DOCKER, replace(BOXED, servers=(server,)))
    assert verdict.level is Level.FAIL
    assert verdict.what == f"server {server.id.server}: GPU 7 is asked for and there is none"
    assert "`servers: {gpus: none}`" in verdict.remedy


def test_a_port_of_our_own_container_is_not_taken() -> None:
    facts = {**DOCKER, "ports": "9000=docker-proxy:7 9001=rootlessport:8"}
    assert len(found(facts)) == 2
    assert found(facts, own_ports={9000, 9001}) == []


def test_a_node_of_another_engine_says_nothing_of_the_others() -> None:
    podman = replace(BOXED, runtime=Runtime(RuntimeKind.CONTAINER, container=Container(engine="podman")))
    assert found({**PODMAN, "engine.docker.problem": "Cannot connect to the Docker daemon"}, podman) == []
