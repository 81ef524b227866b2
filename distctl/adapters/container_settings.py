"""How a node's containers are made, worked out from inventory, facts and the image's pin. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from distctl.cluster.image import Pinned, parse_image
from distctl.cluster.spec import Node, Server
from distctl.commands.container import ContainerSettings
from distctl.commands.triton import ANYWHERE, bind_address
from distctl.errors import NodeError
from distctl.facts.engine_words import Trouble
from distctl.facts.engines import Engine, choose, devices

ImagePin = Callable[[str], Pinned]  # of an image's name
Found = TypeVar("Found", Engine, tuple[str, ...])


def unpinned(name: str) -> Pinned:
    """An image of which nobody has asked what it means."""
    return Pinned(parse_image(name))


def engine_of(node: Node, facts: Mapping[str, str]) -> Engine:
    """The engine that a node's servers run in. Raises NodeError when there is none that can be used."""
    found = choose(facts, node.runtime.container.engine)
    return _fine(node, "choosing a container engine", found)


def image_of(node: Node, facts: Mapping[str, str], pinned: ImagePin) -> Pinned:
    """The image that a node needs. Raises NodeError when no server of ours can run there, and why."""
    engine = engine_of(node, facts)
    for server in node.servers:
        _devices(node, server, facts, engine)
    image = pinned(node.runtime.container.image)
    if image.missing:
        problem = image.problem or f"{image.image} is on no node, and no registry has images of that name"
        raise NodeError(node.name, "finding the image", problem, hint="correct `runtime.image`")
    return image


def container_settings(
    node: Node, server: Server, facts: Mapping[str, str], pinned: ImagePin
) -> ContainerSettings:
    """How a server's container is to be made. Raises NodeError as `image_of` does."""
    engine, wanted = engine_of(node, facts), node.runtime.container
    image = image_of(node, facts, pinned)
    return ContainerSettings(
        engine=engine.name,
        image=image.content,
        network=wanted.network,
        publish=bind_address(server.host, facts.get("addresses", "").split()),
        ipc=wanted.ipc,
        shm=wanted.shm,
        ulimits=wanted.ulimits,
        volumes=wanted.volumes,
        arguments=wanted.arguments,
        devices=_devices(node, server, facts, engine),
        gpus=engine.gpus,
        account=_account(engine, facts),
        init=engine.init,
        confined=facts.get("selinux") == "enforcing",
    )


def bind_of(node: Node, server: Server, facts: Mapping[str, str]) -> str:
    """Where Triton listens in its container: as on the node, or everywhere in a network of the engine's."""
    if node.runtime.container.network != "host":
        return ANYWHERE
    return bind_address(server.host, facts.get("addresses", "").split())


def _devices(node: Node, server: Server, facts: Mapping[str, str], engine: Engine) -> tuple[str, ...]:
    return _fine(node, f"giving GPUs to {server.id}", devices(facts, engine, server.gpus))


def _account(engine: Engine, facts: Mapping[str, str]) -> str:
    """Who a container runs as where its root is the node's root: our files are to stay the account's."""
    uid = facts.get("uid", "0")
    return "" if engine.rootless or uid == "0" else uid


def _fine(node: Node, tried: str, found: Found | Trouble) -> Found:
    if isinstance(found, Trouble):
        raise NodeError(node.name, tried, found.problem, hint=found.hint)
    return found
