"""How a node's servers are started, worked out from the inventory and the node's facts. Pure.

The same function answers what is wanted (for the plan) and what is written (on the node), so that the two
cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from distctl.adapters.container_settings import ImagePin, bind_of, container_settings, image_of, unpinned
from distctl.cluster.needs import PYTHONS, Target
from distctl.cluster.spec import Node, RuntimeKind, Server
from distctl.commands.container import container_digest
from distctl.commands.triton import Python, TritonSettings, bind_address, visible_devices
from distctl.errors import NodeError
from distctl.facts.python import choose
from distctl.facts.triton_releases import python_of as python_of_release

# Of Ubuntu 22.04, for which Triton is built. No wheel for a newer glibc is taken on nodes either, so that
# nodes with different ones share an environment.
IMAGE_GLIBC = (2, 35)
OLDEST_GLIBC = (2, 17)  # of manylinux2014, for a node that does not say

RuntimeDigest = Callable[[str], str]  # of a Python version such as 3.11


def python_of(node: Node, facts: Mapping[str, str]) -> Python | None:
    """The interpreter that the node's python backend will embed; None when none fits."""
    found = choose(facts, node.runtime.python)
    return Python(found.version, found.path, found.library) if found else None


def image_python(node: Node) -> str:
    """The Python of a node's image: as the inventory says, else as NVIDIA's tag does; "" when neither does.

    A path in the inventory is meant for processes on the node.
    """
    said = node.runtime.python or ""
    return said if said in PYTHONS else python_of_release(node.runtime.container.image)


def target_of(node: Node, facts: Mapping[str, str]) -> Target | None:
    """What the wheels of a node's models must fit; None when nobody knows what runs there.

    In a container that is the image's Python, not the node's.
    """
    if node.runtime.kind is RuntimeKind.CONTAINER:
        version, glibc = image_python(node), IMAGE_GLIBC
    else:
        python = python_of(node, facts)
        version = python.version if python else ""
        major, _, minor = facts.get("glibc", "").partition(".")
        known = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else OLDEST_GLIBC
        glibc = min(known, IMAGE_GLIBC)
    arch = facts.get("arch", "")
    return Target(version, arch, glibc) if version and arch else None


def runtime_of(
    node: Node, facts: Mapping[str, str], digest: RuntimeDigest, pinned: ImagePin = unpinned
) -> str:
    """The digest of the runtime or image that a node needs. Raises NodeError when no server can run there.

    Empty when it needs none, and for an image whose digest nobody knows yet.
    """
    if node.contained:
        return image_of(node, facts, pinned).digest
    if node.runtime.kind is not RuntimeKind.BINARY or node.runtime.path or not node.serves:
        return ""
    return digest(_needed_python(node, facts).version)


def triton_settings(
    node: Node,
    server: Server,
    facts: Mapping[str, str],
    digest: RuntimeDigest,
    pinned: ImagePin = unpinned,
) -> TritonSettings:
    """How a server is to be started. Raises NodeError when it cannot be: no interpreter, engine or image."""
    if node.contained:
        return _contained(node, server, facts, pinned)
    path = node.runtime.path or ""
    return TritonSettings(
        bind=bind_address(server.host, facts.get("addresses", "").split()),
        runtime=runtime_of(node, facts, digest),
        path=path,
        python=python_of(node, facts) if path else _needed_python(node, facts),
        environment={**node.runtime.environment, **visible_devices(server)},
        arguments=node.runtime.arguments,
    )


def _contained(node: Node, server: Server, facts: Mapping[str, str], pinned: ImagePin) -> TritonSettings:
    made = container_settings(node, server, facts, pinned)
    return TritonSettings(
        bind=bind_of(node, server, facts),
        container=container_digest(facts.get("root", ""), server, made),
        environment=node.runtime.environment,
        arguments=node.runtime.arguments,
    )


def _needed_python(node: Node, facts: Mapping[str, str]) -> Python:
    if python := python_of(node, facts):
        return python
    wanted = node.runtime.python
    problem = (
        f"no interpreter {wanted} with its libpython" if wanted else "no Python 3.9 to 3.12 with libpython"
    )
    raise NodeError(node.name, "choosing a Python for Triton", problem, hint="distctl doctor")
