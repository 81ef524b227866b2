"""Container engines: what a node says of them, which one is used, and what is said when none can be."""

from __future__ import annotations

import pytest

from distctl.facts.engine_words import Trouble, explain
from distctl.facts.engines import Engine, choose, devices, parse_engines

BOTH = """engine=docker
status=0
version=24.0.7
rootless=[name=apparmor name=seccomp,profile=builtin]
runtimes={"nvidia":{"path":"nvidia-container-runtime"},"runc":{"path":"runc"}}
storage=/var/lib/docker
free=1000
restart=yes
init=yes
engine=podman
status=0
version=4.3.1
rootless=true
storage=/home/ops/.local/share/containers/storage
free=2000
restart=
engine=
device=yes
hook=yes
end=yes"""

DENIED = """engine=docker
status=1
permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock
engine=podman
status=0
version=4.3.1
rootless=true
engine=
cdi=yes
end=yes"""

DEAD = DENIED.replace(
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
)


def test_both_engines_are_read() -> None:
    facts = parse_engines(BOTH)
    assert facts["engine.docker.version"] == "24.0.7"
    assert (facts["engine.docker.rootless"], facts["engine.podman.rootless"]) == ("no", "yes")
    assert (facts["engine.docker.free"], facts["engine.docker.nvidia"]) == (str(1000 * 1024), "yes")
    assert (facts["engine.docker.restart"], facts["engine.podman.restart"]) == ("yes", "no")
    assert (facts["nvidia.device"], facts["nvidia.cdi"]) == ("yes", "no")


@pytest.mark.parametrize(
    "text", ["engine=docker\nstatus=0\nversion=1\n", "engine=docker", "engine=", "", "x\nengine=\n"]
)
def test_an_answer_that_was_cut_short_is_no_error(text: str) -> None:
    assert set(parse_engines(text)) <= {
        *(f"engine.docker.{key}" for key in ("version", "rootless", "restart", "init", "nvidia", "problem")),
        *("nvidia.device", "nvidia.hook", "nvidia.cdi"),
    }


def test_docker_comes_before_podman_and_a_named_engine_before_both() -> None:
    facts = parse_engines(BOTH)
    docker, podman = choose(facts, None), choose(facts, "podman")
    assert isinstance(docker, Engine)
    assert isinstance(podman, Engine)
    assert (docker.name, docker.gpus, docker.init, docker.restart) == ("docker", "gpus", True, True)
    assert (podman.name, podman.gpus, podman.rootless, podman.init) == ("podman", "", True, False)


def test_podman_is_used_where_docker_may_not_be() -> None:
    found = choose(parse_engines(DENIED), None)
    assert isinstance(found, Engine)
    assert (found.name, found.gpus) == ("podman", "cdi")


def test_servers_do_not_move_to_podman_while_dockers_daemon_is_away() -> None:
    found = choose(parse_engines(DEAD), None)
    assert found == Trouble("docker's daemon does not run", "sudo systemctl enable --now docker")


def test_a_named_engine_without_rights_says_how_to_get_them() -> None:
    found = choose({**parse_engines(DENIED), "user": "ops"}, "docker")
    assert isinstance(found, Trouble)
    assert found.problem == "the account may not use docker's socket"
    assert "usermod -aG docker ops" in found.hint


def test_no_engine_says_how_to_get_one() -> None:
    assert choose({"os.id": "debian"}, None) == Trouble(
        "there is no docker or podman", "sudo apt-get install -y podman"
    )
    assert choose({"os.id": "rocky"}, "docker") == Trouble("there is no docker", "sudo dnf install -y docker")


DOCKER = Engine("docker", "24.0.7", gpus="gpus")
TWO = {"nvidia.device": "yes", "gpus": "2", "gpu.0.uuid": "GPU-a", "gpu.1.uuid": "GPU-b"}


@pytest.mark.parametrize(
    ("facts", "engine", "wanted", "found"),
    [
        (TWO, DOCKER, None, ("all",)),
        ({**TWO, "gpus": "0"}, DOCKER, None, ("all",)),  # nvidia-smi was late: nothing changes
        ({}, DOCKER, None, ()),
        (TWO, DOCKER, (), ()),
        (TWO, DOCKER, ("1", "GPU-a"), ("1", "GPU-a")),
        (TWO, DOCKER, ("MIG-x",), ("MIG-x",)),
        ({**TWO, "gpus": "0"}, DOCKER, ("GPU-a",), ("GPU-a",)),  # nvidia-smi does not list it just now
    ],
)
def test_gpus_that_a_container_is_given(
    facts: dict[str, str], engine: Engine, wanted: tuple[str, ...] | None, found: tuple[str, ...]
) -> None:
    assert devices(facts, engine, wanted) == found


@pytest.mark.parametrize(
    ("facts", "engine", "wanted", "problem"),
    [
        ({}, DOCKER, ("0",), "GPU 0 is asked for and there is none"),
        (TWO, Engine("podman", "4.3.1"), None, "podman cannot give GPUs to containers"),
    ],
)
def test_gpus_that_cannot_be_given(
    facts: dict[str, str], engine: Engine, wanted: tuple[str, ...] | None, problem: str
) -> None:
    found = devices(facts, engine, wanted)
    assert isinstance(found, Trouble)
    assert found.problem == problem
    assert found.hint


@pytest.mark.parametrize(
    ("version", "way"), [("28.3.0", "cdi"), ("29.0", "cdi"), ("28.2.2", ""), ("24.0.7", ""), ("dev", "")]
)
def test_docker_gives_gpus_by_cdi_where_it_has_it_switched_on(version: str, way: str) -> None:
    found = choose({"engine.docker.version": version, "nvidia.cdi": "yes"}, None)
    assert isinstance(found, Engine)
    assert found.gpus == way


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "Error response from daemon: manifest for x:9 not found: manifest unknown: manifest unknown",
            "there is no such image in the registry",
        ),
        (
            "Error: initializing source docker://x: reading manifest 9 in x: manifest unknown",
            "there is no such image in the registry",
        ),
        (
            "Error response from daemon: pull access denied for x, repository does not exist or may require login",
            "the registry refuses us",
        ),
        ("Error: logging into x: invalid username/password", "the registry refuses us"),
        (
            "Error: writing blob: adding layer: Error processing tar file(exit status 1): write /opt/x: no space left on device",
            "no space left where podman keeps images",
        ),
        (
            "Error: Digest did not match, expected sha256:1, got sha256:2",
            "what came is not what the digest says",
        ),
        (
            "dial tcp 10.0.0.1:5000: connect: connection refused",
            "the node does not reach the registry",
        ),
        ("unexpected EOF", "the node does not reach the registry"),
        (
            'Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            "podman could not give the GPUs to the container",
        ),
        (
            "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=9",
            "podman could not give the GPUs to the container",
        ),
        ("Error: something nobody knows\n", "podman: Error: something nobody knows"),
        ("", "podman said nothing"),
    ],
)
def test_what_engines_say_in_plain_words(said: str, problem: str) -> None:
    assert explain("podman", said).problem == problem
