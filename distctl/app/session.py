"""One opened cluster: its spec, its record and its world, and what commands ask about them."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distctl.cluster.content import Archive, Folder
from distctl.cluster.record import Record
from distctl.cluster.router import RouterView
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import Connection, Endpoint, Node, RouterId, Server, ServerId, Spec
from distctl.control.routing import Routing
from distctl.errors import InputError
from distctl.policy.wish import Wish

if TYPE_CHECKING:
    from distctl.adapters.clock import SystemClock
    from distctl.adapters.ssh.host_keys import ShownKey
    from distctl.adapters.store import SqlStore
    from distctl.app.compose import Parts
    from distctl.config import Inventory
    from distctl.control.world import World
    from distctl.ports import Connector

LOCAL = "local"  # the place of a router on this machine when no node of the inventory is meant


@dataclass(frozen=True, slots=True)
class Unit:
    """A supervised process: its place and its name there."""

    place: str
    name: str


class Session:
    """What `compose.open_session` gives. Everything heavy is made when it is first asked for."""

    parts: Parts  # set by `compose`, which needs a session to make them

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.author = f"{getpass.getuser()}@{socket.gethostname()}"
        self.owner = f"{self.author}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._record: Record | None = None
        self._folders: dict[str, Folder] = {}

    @property
    def spec(self) -> Spec:
        """What the inventory asks for."""
        return self.inventory.spec

    @property
    def store(self) -> SqlStore:
        """The record."""
        return self.parts.store

    @property
    def clock(self) -> SystemClock:
        """Time."""
        return self.parts.clock

    @property
    def world(self) -> World:
        """The ports."""
        return self.parts.world

    def remember(self, record: Record) -> None:
        """Keep the record that was read last: nodes that left the file are found in it."""
        self._record = record

    # --- nodes --------------------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """A node of the file, one that left it, or this machine as a router's place. Raises KeyError."""
        if name == LOCAL and not any(n.name == LOCAL for n in self.spec.nodes):
            return Node(LOCAL, Connection.LOCAL, "127.0.0.1", "127.0.0.1")
        for node in (*self.spec.nodes, *self.leaving(self._record)):
            if node.name == name:
                return node
        raise KeyError(name)

    def own_place(self) -> tuple[Node, ...]:
        """This machine as a place, when a router is meant to run here and no node of the file is meant."""
        wanted = any(router.place == LOCAL for router in self.spec.router_ids)
        return (self.node(LOCAL),) if wanted and not any(n.name == LOCAL for n in self.spec.nodes) else ()

    def leaving(self, record: Record | None) -> tuple[Node, ...]:
        """Nodes that the record knows and the file does not have any more."""
        from distctl.app.documents import node_from

        named = {node.name for node in self.spec.nodes} | {LOCAL}
        known = record.known if record else {}
        return tuple(node_from(known[name].document) for name in sorted(known) if name not in named)

    def document(self, node: Node) -> str:
        """A node as the record keeps it."""
        from distctl.app.documents import node_document

        return node_document(node)

    def spec_document(self) -> str:
        """The spec as the record keeps it."""
        from distctl.app.documents import spec_document

        return spec_document(self.spec)

    def ours(self, places: Sequence[str]) -> list[str]:
        """Those of some places that carry files of ours, in the inventory's order."""
        order = [n.name for n in (*self.spec.nodes, *self.leaving(self._record)) if not n.external]
        return [name for name in (*order, LOCAL) if name in places]

    def select(self, patterns: Sequence[str]) -> list[str]:
        """The nodes that some patterns name. Raises InputError when one matches nothing."""
        from distctl.config.patterns import select

        names = [node.name for node in (*self.spec.nodes, *self.leaving(self._record))]
        return select(names, ",".join(patterns))

    def connector(self, name: str) -> Connector:
        """The connector of a node."""
        return self.parts.connections.connector(self.node(name))

    def shell(self, name: str) -> int:
        """A shell on a node, joined to this terminal; its exit status."""
        return self.parts.connections.shell(self.node(name))

    def host_key(self, name: str) -> ShownKey | None:
        """The first host key on the way to a node that is not known yet; None when all are."""
        return self.parts.connections.fetch_host_key(self.node(name))

    def trust(self, key: ShownKey) -> None:
        """Keep a host key as known."""
        self.parts.connections.trust(key)

    def units(self, names: Sequence[str]) -> list[Unit]:
        """The units that names of nodes and routers stand for. Raises InputError for an unknown one."""
        found = []
        for name in names:
            routers = [r for r in self.spec.router_ids if r.router == name or str(r) == name]
            nodes = [n for n in self.spec.nodes if n.name == name]
            if not routers and not nodes:
                known = sorted({n.name for n in self.spec.nodes} | {r.name for r in self.spec.routers})
                raise InputError(f"there is no node or router {name!r}", hint=", ".join(known))
            found += [Unit(router.place, f"router-{router.router}") for router in routers]
            found += [Unit(node.name, f"server-{s.id.server}") for node in nodes for s in node.servers]
        return found

    def tail(self, unit: Unit, lines: int) -> list[str]:
        """The last lines of a unit's log."""
        return self.world.node(unit.place).tail(unit.name, lines)

    # --- content ------------------------------------------------------------------------------------

    def source(self, model: str) -> Path | None:
        """A model's folder here; None when it is none of the inventory's or lies on the nodes."""
        for spec in self.spec.models:
            if spec.name == model and spec.source.kind == "folder":
                return Path(spec.source.path)
        return None

    def folder(self, model: str) -> Folder:
        """A model's files, read once."""
        from distctl.adapters.folders import read_folder

        if model not in self._folders:
            source = self.source(model)
            if source is None:
                raise InputError(f"{model} has no folder here")
            self._folders[model] = read_folder(source)
        return self._folders[model]

    def content(self, model: str) -> str:
        """The digest of a model's files, "" when they lie on the nodes."""
        return self.folder(model).digest if self.source(model) is not None else ""

    def runtime(self, node: Node, facts: Mapping[str, str]) -> str:
        """The digest of the runtime that a node needs, "" for none. Raises NodeError."""
        from distctl.adapters.node_settings import runtime_of

        return runtime_of(node, facts, self.parts.artifacts.digest)

    def archive(self, digest: str) -> Archive:
        """The runtime of that digest, built if need be."""
        from distctl.adapters.artifacts import PYTHONS

        for python in PYTHONS:
            if self.parts.artifacts.digest(python) == digest:
                return self.parts.artifacts.runtime(python)
        raise KeyError(digest)

    def with_scripts(self, wish: Wish, snapshot: Snapshot) -> Wish:
        """The wish with the digests of every start script, for nodes that could be looked at."""
        import hashlib

        from distctl.adapters.node_settings import triton_settings
        from distctl.commands.triton import run_script, settings_digest

        settings: dict[ServerId, str] = {}
        scripts: dict[ServerId, str] = {}
        for node in self.spec.nodes:
            sight = snapshot.nodes.get(node.name)
            if node.external or sight is None or not sight.reachable:
                continue
            root = sight.facts.get("root", "")
            for server in node.servers:
                how = triton_settings(node, server, sight.facts, self.parts.artifacts.digest)
                settings[server.id] = settings_digest(root, server, how)
                script = run_script(root, server, how, wish.models_of(server.id))
                scripts[server.id] = hashlib.sha256(script.encode()).hexdigest()
        return replace(wish, settings=settings, scripts=scripts)

    # --- routers ------------------------------------------------------------------------------------

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Serve addresses and the IP addresses that routers are told for them."""
        servers = (*self.spec.servers, *(s for n in self.leaving(self._record) for s in n.servers))
        return {server.host: _address(server.host) for server in servers}

    def view(self, record: Record, router: RouterId) -> RouterView:
        """What a router is to be, from a record."""
        from distctl.policy.view import router_view

        leaving: tuple[Server, ...] = tuple(s for n in self.leaving(record) for s in n.servers)
        near = all(host.startswith("127.") or host == "::1" for host in self.hosts.values())
        return router_view(
            self.spec,
            record,
            router,
            hosts=self.hosts,
            leaving=leaving,
            round_trip=0.05 if near else self._round_trip(record, router),
            stateful=self.stateful,
        )

    @cached_property
    def stateful(self) -> frozenset[str]:
        """The models whose configuration, where it lies here, says that they keep state or stream."""
        from distctl.policy.stateless import stateless

        return frozenset(model.name for model in self.spec.models if not stateless(self.config(model.name)))

    def config(self, model: str) -> str:
        """A model's config.pbtxt; empty when it has none, or lies on the nodes."""
        folder = self.source(model)
        file = folder / "config.pbtxt" if folder else None
        return file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""

    def _round_trip(self, record: Record, router: RouterId) -> float | None:
        measured = record.facts.get(router.place, {}).get("servers.round_trip")
        return float(measured) if measured else None

    def structure(self, record: Record, router: RouterId) -> str:
        """The digest of a router's pools, servers and settings."""
        from distctl.commands.haproxy import render

        return render(self.view(record, router)).structure

    def router_config(self, record: Record, router: RouterId) -> str:
        """A router's configuration as it would be written."""
        from distctl.commands.haproxy import CONFIG, render

        return render(self.view(record, router)).files[CONFIG]

    def routing(self, token: int) -> Routing:
        """The routers, for one execution."""
        from distctl.policy.stateless import sequence_idle

        idle = {model.name: sequence_idle(self.config(model.name)) for model in self.spec.models}
        return Routing(self.world, token, self.spec.router_ids, idle=lambda model: idle.get(model, 0.0))

    def _face(self, node: Node, *, sixth: bool) -> str:
        """An address of a node that a router listens on: one of IPv6 only where it was told to."""
        return node.serve_address if sixth or ":" not in node.serve_address else node.address

    def entrance(self, *, grpc: bool) -> Endpoint:
        """Where this machine reaches the first router, by ssh if need be. Raises InputError without one."""
        endpoint = self.router_endpoint(grpc=grpc)
        return self.parts.from_here(self.spec.routers[0].on[0], endpoint)

    def router_endpoint(self, *, grpc: bool) -> Endpoint:
        """Where the first router listens. Raises InputError without one."""
        if not self.spec.routers:
            raise InputError(f"{self.inventory.file}: no router in it", hint="add a router under `routers:`")
        router = self.spec.routers[0]
        host = router.address
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = self._face(self.node(router.on[0]), sixth=host == "::")
        return Endpoint(host, router.grpc_port if grpc else router.http_port)


def _address(host: str) -> str:
    """The IP address of a name; the name itself when it cannot be resolved, for the router to complain of."""
    try:
        found: list[Any] = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return host
    return str(found[0][4][0])
