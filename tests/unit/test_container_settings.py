"""How a container is made follows from inventory, facts and pin; what cannot be made is said first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distctl.adapters.container_settings import bind_of, container_settings, image_of
from distctl.adapters.images import Images
from distctl.adapters.node_settings import runtime_of, target_of, triton_settings
from distctl.cluster.image import NVIDIA, Pinned, parse_image
from distctl.cluster.needs import Target
from distctl.cluster.spec import (
    Connection,
    Container,
    Node,
    Runtime,
    RuntimeKind,
    Server,
    ServerId,
    nth_server,
)
from distctl.commands.triton import TritonSettings, run_script
from distctl.errors import NodeError
from distctl.policy.devices import lost
from distctl.policy.images import Answer

A, B = (f"sha256:{letter * 64}" for letter in "ab")
SERVER = Server(ServerId("gpu01", "0"), "10.0.1.11", 9000, 9001, 9002)
NODE = Node(
    *("gpu01", Connection.SSH, "10.0.1.11", "10.0.1.11"),
    runtime=Runtime(RuntimeKind.CONTAINER, container=Container(image="nvcr.io/t:1")),
    servers=(SERVER,),
)
FACTS = {
    "uid": "0",
    "root": "/var/lib/distctl/prod/gpu01",
    "addresses": "10.0.1.11",
    "engine.docker.version": "24.0.7",
    "engine.docker.init": "yes",
}


def pinned(name: str) -> Pinned:
    return Pinned(parse_image(name), A, "registry")


def test_it_is_made_of_the_pinned_content() -> None:
    made = container_settings(NODE, SERVER, FACTS, pinned)
    assert (made.engine, made.image, made.network, made.account) == ("docker", f"nvcr.io/t@{A}", "host", "")
    assert runtime_of(NODE, FACTS, lambda _: "", pinned) == A


@pytest.mark.parametrize(
    ("facts", "account"),
    [({"uid": "1000"}, "1000"), ({"uid": "1000", "engine.docker.rootless": "yes"}, ""), ({}, "")],
    ids=["docker of an account", "rootless", "root"],
)
def test_our_files_stay_the_accounts(facts: dict[str, str], account: str) -> None:
    assert container_settings(NODE, SERVER, {**FACTS, **facts}, pinned).account == account


def test_in_a_network_of_the_engine_triton_listens_everywhere_and_is_published_at_its_address() -> None:
    boxed = replace(NODE, runtime=replace(NODE.runtime, container=Container(network="bridge")))
    assert bind_of(boxed, SERVER, FACTS) == "0.0.0.0"
    assert container_settings(boxed, SERVER, FACTS, pinned).publish == "10.0.1.11"
    assert bind_of(NODE, SERVER, FACTS) == "10.0.1.11"


def test_selinux_does_not_keep_it_out_of_the_nodes_folder() -> None:
    assert container_settings(NODE, SERVER, {**FACTS, "selinux": "enforcing"}, pinned).confined


GPUS = ("GPU-1", "GPU-2")
TWO = replace(
    NODE, servers=tuple(nth_server("gpu01", "10.0.1.11", 9000, n, (g,)) for n, g in enumerate(GPUS))
)
CARDS = {
    **FACTS,
    **{"engine.docker.nvidia": "yes", "nvidia.device": "yes", "gpus": "2"},
    **{f"gpu.{index}.uuid": uuid for index, uuid in enumerate(GPUS)},
}


def starts(facts: dict[str, str]) -> list[TritonSettings]:
    return [triton_settings(TWO, server, facts, lambda _: "", pinned) for server in TWO.servers]


def test_each_of_two_servers_has_a_container_with_its_own_ports_and_devices() -> None:
    found = [container_settings(TWO, server, CARDS, pinned) for server in TWO.servers]
    assert [made.devices for made in found] == [("GPU-1",), ("GPU-2",)]
    assert len({how.container for how in starts(CARDS)}) == 2
    texts = [run_script(CARDS["root"], *how, ["m"]) for how in zip(TWO.servers, starts(CARDS), strict=True)]
    assert [text.count(f"--http-port={port}") for text in texts for port in (9000, 9010)] == [1, 0, 0, 1]
    assert not any("CUDA_VISIBLE_DEVICES" in text for text in texts), "the engine counts devices anew"


def test_a_device_that_nvidia_smi_does_not_list_just_now_changes_no_container() -> None:
    """Its server is told of as lost, as a process would be; the other one is not even touched."""
    fewer = {key: text for key, text in CARDS.items() if key != "gpu.1.uuid"} | {"gpus": "1"}
    assert starts(fewer) == starts(CARDS)
    assert runtime_of(TWO, fewer, lambda _: "", pinned) == A
    assert list(lost(TWO, fewer)) == [ServerId("gpu01", "1")]


@pytest.mark.parametrize(
    ("said", "image", "python"),
    [
        (None, NVIDIA, "3.10"),
        (None, NVIDIA.replace("24.10", "25.08"), "3.12"),
        ("3.11", NVIDIA, "3.11"),
        ("3.11", "registry.local/own:1", "3.11"),
        ("/usr/bin/python3.11", NVIDIA, "3.10"),  # a level above means processes by it
        (None, "registry.local/own:1", ""),
    ],
)
def test_wheels_are_to_fit_the_images_python(said: str | None, image: str, python: str) -> None:
    own = replace(NODE, runtime=replace(NODE.runtime, python=said, container=Container(image=image)))
    facts = {**FACTS, "arch": "x86_64", "python.3.9": "/usr/bin/python3.9", "python.3.9.library": "/lib"}
    assert target_of(own, facts) == (Target(python, "x86_64", (2, 35)) if python else None)


def test_another_content_is_another_start() -> None:
    def other(name: str) -> Pinned:
        return Pinned(parse_image(name), B, "registry")

    one, two = (triton_settings(NODE, SERVER, FACTS, lambda _: "", pin) for pin in (pinned, other))
    assert one.container != two.container
    assert replace(one, container="") == replace(two, container="")


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"engine.docker.version": ""}, "there is no docker or podman"),
        ({"nvidia.device": "yes"}, "docker cannot give GPUs to containers"),
    ],
)
def test_what_cannot_be_made_is_said_with_a_remedy(facts: dict[str, str], problem: str) -> None:
    with pytest.raises(NodeError, match=problem) as caught:
        image_of(NODE, {**FACTS, **facts}, pinned)
    assert caught.value.hint


def test_an_image_that_is_nowhere_is_said_before_anything_is_tried() -> None:
    images = Images(ask=lambda _image, _login: Answer(problem="there is no t:1 in nvcr.io", missing=True))
    images.settle({"nvcr.io/t:1": None}, [], [], fresh=True)
    with pytest.raises(NodeError, match=r"there is no t:1 in nvcr\.io"):
        image_of(NODE, FACTS, images.pinned)


def test_a_registry_is_asked_once_and_only_where_somebody_wants_to_know() -> None:
    asked: list[str] = []

    def ask(image: object, _login: object) -> Answer:
        asked.append(str(image))
        return Answer(A)

    images = Images(ask=ask)
    images.settle({"nvcr.io/t:1": None}, [f"nvcr.io/t:1@{B} 5"], [], fresh=False)
    assert (asked, images.pinned("nvcr.io/t:1").digest) == ([], B)
    for _ in range(2):
        images.settle({"nvcr.io/t:1": None, "localhost/t:1": None}, [], [], fresh=True)
    assert (asked, images.pinned("nvcr.io/t:1").digest) == (["nvcr.io/t:1"], A)


def test_what_a_node_tells_counts_where_nobody_knew() -> None:
    images = Images(ask=lambda _image, _login: Answer(problem="it does not answer"))
    images.settle({"nvcr.io/t:1": None}, [], [], fresh=True)
    images.learn("nvcr.io/t:1", A)
    images.learn("nvcr.io/t:1", B)
    assert images.pinned("nvcr.io/t:1").digest == A
