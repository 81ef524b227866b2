"""Everything the control loop can reach, as one value made of ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from distctl.cluster.content import Archive, Folder
from distctl.cluster.record import Record
from distctl.cluster.router import RouterView
from distctl.cluster.snapshot import ServerSight
from distctl.cluster.spec import RouterId, Server, ServerId
from distctl.ports import (
    AddressControl,
    Clock,
    Depot,
    NodeControl,
    RouterControl,
    ServerControl,
    Store,
    TritonClient,
)


class NodePort(NodeControl, ServerControl, Depot, Protocol):
    """One node with its servers and its depot."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one cluster. The callables give the same port for the same key, made when first asked for.

    `probe` asks many servers at once, with the keys that are known; `view` says what a router is to
    be from a record.
    """

    store: Store
    clock: Clock
    node: Callable[[str], NodePort]
    triton: Callable[[ServerId], TritonClient]
    router: Callable[[RouterId], RouterControl]
    address: Callable[[RouterId], AddressControl]
    probe: Callable[[tuple[Server, ...], Mapping[ServerId, str]], Mapping[ServerId, ServerSight]]
    view: Callable[[Record, RouterId], RouterView]
    folder: Callable[[str], Folder]  # a model's folder here
    archive: Callable[[str], Archive]  # a runtime or an environment by digest
