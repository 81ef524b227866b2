"""The command lines of docker and podman, side by side: equal but for what the engines say differently."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from distctl.cluster.snapshot import Identity, UnitSight
from distctl.cluster.spec import Server, ServerId
from distctl.commands.container import (
    ContainerSettings,
    container_digest,
    labels,
    start,
)
from distctl.commands.container_states import parse_states
from distctl.commands.triton import TritonSettings, run_script, settings_digest, unit

ROOT = "/home/o'ps/prod/gpu01"
SERVER = Server(ServerId("gpu01", "0"), "10.0.1.11", 9000, 9001, 9002)
IMAGE = f"nvcr.io/nvidia/tritonserver@sha256:{'a' * 64}"
DOCKER = ContainerSettings("docker", IMAGE)
PODMAN = ContainerSettings("podman", IMAGE)


def run_words(settings: ContainerSettings) -> list[str]:
    """The words of the engine's `run`, as a shell reads them."""
    script = start(unit(ROOT, SERVER), SERVER, settings, "digest", 7)
    (text,) = [part for part in script.split("\n\n") if f"{settings.engine} run" in part] or [script]
    begin = text.index(f"{settings.engine} run --detach")
    return shlex.split(text[begin : text.index(" >/dev/null && exit 0", begin)].replace("\\\n", " "))


def test_engines_differ_in_restart_policy_and_log_alone() -> None:
    docker, podman = set(run_words(DOCKER)), set(run_words(PODMAN))
    assert docker - podman == {
        *("docker", "--restart=unless-stopped"),
        *("--log-driver=json-file", "--log-opt=max-size=16m", "--log-opt=max-file=3"),
    }
    assert podman - docker == {
        "podman",
        "--restart=always",
        "--log-driver=k8s-file",
        "--log-opt=max-size=48m",
    }


def test_the_container_runs_the_units_own_script_in_the_nodes_own_folder() -> None:
    words = run_words(DOCKER)
    assert f"--mount=type=bind,source={ROOT},target={ROOT}" in words
    assert words[-4:] == [
        "--name=" + words[-4].partition("=")[2],
        "$image",
        "sh",
        f"{ROOT}/units/server-0/run",
    ]
    assert "--stop-timeout=35" in words, "above Triton's own 30"
    assert "--init" in words


def test_labels_say_whose_it_is_and_what_it_was_made_as() -> None:
    words = run_words(PODMAN)
    for key, value in labels(ROOT, SERVER, "digest", 7).items():
        assert f"--label={key}={value}" in words
    assert {w.split("=")[1] for w in words if w.startswith("--label=")} == {
        f"distctl.{key}" for key in ("cluster", "node", "server", "root", "settings", "generation", "ports")
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ["--network=host", "--ipc=private", f"--shm-size={1024**3}"]),
        ({"ipc": "host"}, ["--network=host", "--ipc=host"]),
        (
            {"network": "bridge", "publish": "fd00::1"},
            ["--network=bridge", "--publish=[fd00::1]:9000:9000", "--publish=[fd00::1]:9002:9002"],
        ),
        (
            {"ulimits": {"memlock": "-1", "stack": "67108864"}},
            ["--ulimit=memlock=-1", "--ulimit=stack=67108864"],
        ),
        ({"devices": ("all",), "gpus": "gpus"}, ["--gpus=all"]),
        ({"devices": ("0", "1"), "gpus": "gpus"}, ['--gpus="device=0,1"']),
        (
            {"devices": ("0", "GPU-1"), "gpus": "cdi"},
            ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=GPU-1"],
        ),
        ({"devices": ("all",), "gpus": "cdi"}, ["--device=nvidia.com/gpu=all"]),
        (
            {"volumes": ("/srv/m:/srv/m:ro", "/data:/in:rw")},
            [
                "--mount=type=bind,source=/srv/m,target=/srv/m,readonly",
                "--mount=type=bind,source=/data,target=/in",
            ],
        ),
        ({"account": "1000"}, ["--user=1000"]),
        ({"confined": True}, ["--security-opt=label=disable"]),
        ({"arguments": ("--cpus=8", "--device", "/dev/x y")}, ["--cpus=8", "--device", "/dev/x y"]),
    ],
)
@pytest.mark.parametrize("base", [DOCKER, PODMAN], ids=["docker", "podman"])
def test_what_the_inventory_says_stands_in_the_command_line(
    base: ContainerSettings, change: dict, words: list
) -> None:
    found = run_words(replace(base, **change))
    for word in words:
        assert word in found


@pytest.mark.parametrize("settings", [DOCKER, PODMAN])
def test_no_gpu_no_flag_and_no_shm_size_with_the_machines_ipc(settings: ContainerSettings) -> None:
    assert not [
        w for w in run_words(settings) if "gpu" in w and not w.startswith(("--label", "--name", "--mount"))
    ][:-1]
    assert not [w for w in run_words(replace(settings, ipc="host")) if w.startswith("--shm-size")]


@pytest.mark.parametrize(
    "change",
    [
        {"image": IMAGE.replace("a", "b")},
        {"engine": "podman"},
        {"shm": 1},
        {"devices": ("0",), "gpus": "gpus"},
        {"volumes": ("/a:/a:ro",)},
        {"arguments": ("--x",)},
    ],
)
def test_whatever_makes_another_container_makes_other_settings(change: dict) -> None:
    before, after = (container_digest(ROOT, SERVER, s) for s in (DOCKER, replace(DOCKER, **change)))
    assert before != after
    settings = [
        settings_digest(ROOT, SERVER, TritonSettings("0.0.0.0", container=d)) for d in (before, after)
    ]
    assert settings[0] != settings[1]


def test_models_are_in_the_script_and_not_in_the_container() -> None:
    settings = TritonSettings("10.0.1.11", container="made", environment={"A": "b c"})
    one, two = (run_script(ROOT, SERVER, settings, models) for models in (("a",), ("a", "b")))
    assert one != two
    assert (
        one.splitlines()[1] == two.splitlines()[1] == f"# settings: {settings_digest(ROOT, SERVER, settings)}"
    )
    assert "env -i" not in one, "the image's environment stays"
    assert "exec env A='b c' \"$triton\"" in one
    assert "--backend-directory" not in one


def line(server: str, settings: str, process: str) -> str:
    return f"container\t{server}\t{settings}\t9000,9001,9002\t{process}\n"


def test_a_container_is_its_units_process() -> None:
    files = {"server-0": UnitSight("server-0", run_digest="run"), "router-main": UnitSight("router-main")}
    found = parse_states(line("0", "set", "boot 41 99"), files)
    assert found["server-0"] == UnitSight(
        "server-0", "run", "set", Identity("boot", 41, 99), wanted_up=True, ports=(9000, 9001, 9002)
    )
    assert found["router-main"] == files["router-main"]


def test_a_stopped_container_does_not_hide_what_runs_in_its_place() -> None:
    running = {"server-0": UnitSight("server-0", "run", "binary", Identity("boot", 7, 8))}
    assert parse_states(line("0", "set", ""), running) == running
    assert parse_states(line("0", "set", ""), {})["server-0"].process is None


@pytest.mark.parametrize(
    "text", ["", "container\t0\n", "contain\t0\ts\t1\tboot 1 2", "Error: no such container"]
)
def test_lines_that_are_none_are_left_out(text: str) -> None:
    assert parse_states(text, {}) == {}
