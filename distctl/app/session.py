"""One opened cluster: its spec, its record and its world, and what commands ask about them."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distctl.adapters.process import ended, mark
from distctl.app.certificates import read_text
from distctl.app.leftovers import LOCAL, left_nodes, left_servers, with_left_routers, with_servers
from distctl.app.needing import Needs
from distctl.cluster.content import Archive, Folder
from distctl.cluster.lease import MARK
from distctl.cluster.record import Record
from distctl.cluster.router import RouterView, Sequences, Tls
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import Connection, Endpoint, Node, RouterId, Server, ServerId, Spec
from distctl.control.routing import Routing
from distctl.errors import InputError
from distctl.policy.devices import assigned
from distctl.policy.wish import Wish

if TYPE_CHECKING:
    from distctl.adapters.clock import SystemClock
    from distctl.adapters.ssh.host_keys import ShownKey
    from distctl.adapters.store import SqlStore
    from distctl.app.compose import Parts
    from distctl.app.entrance import Entrance
    from distctl.config import Inventory
    from distctl.control.world import World
    from distctl.policy.stateless import Nature
    from distctl.ports import Connector


class Session:
    """What `compose.open_session` gives. Everything heavy is made when it is first asked for."""

    parts: Parts  # set by `compose`, which needs a session to make them

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.author = f"{getpass.getuser()}@{socket.gethostname()}"
        self.owner = f"{self.author}:{os.getpid()}{MARK}{uuid.uuid4().hex[:6]}{MARK}{mark(os.getpid())}"
        self.routed = inventory.spec  # with the routers that left the file and run on
        self.steady = False  # whether models keep the content that runs when only their files here changed
        self.attended = True  # whether somebody waits for what comes up by itself
        self._record: Record | None = None
        self._spec = inventory.spec
        self._folders: dict[str, Folder] = {}
        self._tls: dict[str, Tls] = {}
        self.needs = Needs(self)

    @property
    def spec(self) -> Spec:
        """What the inventory asks for, with the servers and devices that the record's facts tell of."""
        return self._spec

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
        """Keep the record that was read last: nodes, routers and devices that the file lacks are in it."""
        if record is self._record:
            return
        self._record = record
        self._spec = assigned(self.inventory.spec, record.facts)
        self.routed = with_left_routers(self.spec, record, self.store)

    def has_ended(self, owner: str) -> bool:
        """Whether the process that held a lease or claimed a node ran on this machine and is no more."""
        return ended(owner.rpartition(MARK)[2])

    # --- nodes --------------------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """A node of the file, one that left it, or this machine as a router's place. Raises KeyError."""
        if name == LOCAL and not any(n.name == LOCAL for n in self.spec.nodes):
            directory = self.spec.directory
            return Node(LOCAL, Connection.LOCAL, "127.0.0.1", "127.0.0.1", directory=directory)
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
        return left_nodes(self.spec, record)

    def whole(self, record: Record | None) -> tuple[Node, ...]:
        """Every node that may carry something of ours, with the servers that left it."""
        left = left_servers(self.spec, record)
        return (*(with_servers(node, left) for node in self.spec.nodes), *left_nodes(self.spec, record))

    def server(self, server: ServerId) -> Server:
        """The server of that id, of the file or one that left it. Raises KeyError."""
        for node in self.whole(self._record):
            for found in node.servers:
                if found.id == server:
                    return found
        raise KeyError(server)

    def document(self, node: Node) -> str:
        """A node as the record keeps it."""
        from distctl.app.documents import node_document

        return node_document(node)

    def spec_document(self) -> str:
        """The spec as the record keeps it: what the file says, whatever was found on the nodes."""
        from distctl.app.documents import spec_document

        return spec_document(self.inventory.spec)

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
        return self.parts.connector(self.node(name))

    def shell(self, name: str) -> int:
        """A shell on a node, joined to this terminal; its exit status."""
        return self.parts.connections.shell(self.node(name))

    def host_key(self, name: str) -> ShownKey | None:
        """The first host key on the way to a node that is not known yet; None when all are."""
        return self.parts.connections.fetch_host_key(self.node(name))

    def trust(self, key: ShownKey) -> None:
        """Keep a host key as known."""
        self.parts.connections.trust(key)

    # --- content ------------------------------------------------------------------------------------

    def source(self, model: str) -> Path | None:
        """A model's folder here; None when it is none of the inventory's or lies on the nodes."""
        for spec in self.spec.models:
            if spec.name == model and spec.source.kind == "folder":
                return Path(spec.source.path)
        return None

    def folder(self, model: str) -> Folder:
        """A model's files, read once, with what its needs add to them."""
        from distctl.adapters.folders import furnished, read_folder

        if model not in self._folders:
            source = self.source(model)
            if source is None:
                raise InputError(f"{model} has no folder here")
            self._folders[model] = read_folder(source)
        lock = self.needs.locks.get(model)
        return furnished(self._folders[model], lock) if lock else self._folders[model]

    def content(self, model: str) -> str:
        """The digest of a model's files, "" when they lie on the nodes."""
        return self.folder(model).digest if self.source(model) is not None else ""

    def runtime(self, node: Node, facts: Mapping[str, str]) -> str:
        """The digest of the runtime that a node needs, "" for none. Raises NodeError."""
        from distctl.adapters.node_settings import runtime_of

        return runtime_of(node, facts, self.parts.artifacts.digest, self.parts.images.pinned)

    def archive(self, digest: str) -> Archive:
        """The runtime or the environment of that digest, built if need be. Raises DistctlError, KeyError."""
        from distctl.cluster.needs import PYTHONS

        for python in PYTHONS:
            if self.parts.artifacts.digest(python) == digest:
                return self.parts.artifacts.runtime(python)
        return self.needs.archive(digest)

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
                parts = self.parts
                how = triton_settings(node, server, sight.facts, parts.artifacts.digest, parts.images.pinned)
                settings[server.id] = settings_digest(root, server, how)
                script = run_script(root, server, how, wish.models_of(server.id))
                scripts[server.id] = hashlib.sha256(script.encode()).hexdigest()
        return replace(wish, settings=settings, scripts=scripts)

    # --- routers ------------------------------------------------------------------------------------

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Serve addresses and the IP addresses that routers are told for them."""
        nodes = [node for node in self.whole(self._record) if node.serves]
        return {node.serve_address: _address(node.serve_address) for node in nodes}

    def view(self, record: Record, router: RouterId) -> RouterView:
        """What a router is to be, from a record."""
        from distctl.policy.lives import ends
        from distctl.policy.peers import peers_of
        from distctl.policy.view import Models, Place, router_view

        ours = {server.id for server in self.spec.servers}
        leaving = tuple(s for n in self.whole(record) for s in n.servers if s.id not in ours)
        near = all(host.startswith("127.") or host == "::1" for host in self.hosts.values())
        return router_view(
            self.routed,
            record,
            router,
            hosts=self.hosts,
            leaving=leaving,
            place=Place(
                0.05 if near else self._round_trip(record, router),
                record.facts.get(router.place, {}).get("uid") == "0",
                self.tls(router.router),
                peers_of(self.spec, router, lambda place: _address(self.node(place).serve_address)),
                ends(record, self.spec, router),
            ),
            models=Models(self.stateful(record), self.concurrency, self.sequences(record)),
        )

    def natures(self, record: Record) -> dict[str, Nature]:
        """What is known of each model: read from its folder here, or remembered from the nodes."""
        from distctl.policy.stateless import natures

        return natures(self.spec, self.configs, record.facts)

    def stateful(self, record: Record) -> frozenset[str]:
        """The models that keep state or stream, and those of which that is not known."""
        return frozenset(name for name, nature in self.natures(record).items() if nature.stateful)

    @cached_property
    def on_nodes(self) -> dict[str, str]:
        """The models whose folders lie on nodes, with their paths there."""
        return {model.name: model.source.path for model in self.spec.models if model.source.kind == "node"}

    def sequences(self, record: Record) -> dict[str, Sequences]:
        """What routers have to know of the models with sequences; the places of those alone that lie here."""
        from distctl.policy.sequences import sequences

        natures = {name: nature for name, nature in self.natures(record).items() if not nature.unread}
        here = {name: sequences(self.configs.get(name, "")) for name in natures}
        return {name: here[name] or Sequences(n.idle) for name, n in natures.items() if n.idle}

    @cached_property
    def concurrency(self) -> dict[str, int]:
        """How many requests one server can use at once, of the models whose configuration lies here."""
        from distctl.policy.capacity import concurrency

        return {model.name: concurrency(self.configs.get(model.name, "")) for model in self.spec.models}

    def tls(self, router: str) -> Tls | None:
        """What a router's files for TLS hold, read once. Raises InputError: see `certificates.read_tls`."""
        from distctl.app.certificates import read_tls

        spec = self.routed.router(router).tls
        if spec is None:
            return None
        if router not in self._tls:
            self._tls[router] = read_tls(router, spec, self.inventory.file.parent)
        return self._tls[router]

    @cached_property
    def configs(self) -> dict[str, str]:
        """The config.pbtxt of each model with a folder here that has one."""
        folders = {model.name: self.source(model.name) for model in self.spec.models}
        files = {name: folder / "config.pbtxt" for name, folder in folders.items() if folder}
        return {
            name: file.read_text(encoding="utf-8", errors="replace")
            for name, file in files.items()
            if file.is_file()
        }

    def _round_trip(self, record: Record, router: RouterId) -> float | None:
        measured = record.facts.get(router.place, {}).get("servers.round_trip")
        return float(measured) if measured else None

    def structure(self, record: Record, router: RouterId) -> str:
        """The digest of a router's pools, servers and settings."""
        from distctl.commands.haproxy import render

        return render(self.view(record, router)).structure

    def config_digest(self, record: Record, router: RouterId) -> str:
        """The digest of a router's whole configuration."""
        from distctl.commands.haproxy import render

        return render(self.view(record, router)).digest

    def router_config(self, record: Record, router: RouterId) -> str:
        """A router's configuration as it would be written."""
        from distctl.commands.haproxy import CONFIG, render

        return render(self.view(record, router)).files[CONFIG]

    def routing(
        self,
        token: int,
        routers: Iterable[RouterId],
        record: Record,
        snapshot: Snapshot,
        *,
        world: World | None = None,
    ) -> Routing:
        """Some routers, for one execution that begins with this record, as they were seen before it."""
        idle = {name: nature.idle for name, nature in self.natures(record).items()}
        told = tuple(routers)
        silent = {r: s.error for r, s in snapshot.routers.items() if r in told and s.error}
        return Routing(
            world or self.world, token, told, idle=lambda model: idle.get(model, 0.0), silent=silent
        )

    def with_addresses(self, wish: Wish, record: Record, snapshot: Snapshot) -> Wish:
        """The wish with what keepalived is to be on the places that share an address.

        A place that leaves is spoken with as long as it is there.
        """
        from distctl.commands.keepalived import settings_of
        from distctl.policy.addresses import address_views, unfit

        spec = self.spec if wish.prune else self.routed
        leaving = address_views(self.routed, record)
        views = {id: replace(view, yields=True) for id, view in leaving.items()} | address_views(spec, record)
        unshared = {}
        for id in spec.router_ids:
            shared, sight = spec.router(id.router).shared, snapshot.nodes.get(id.place)
            if shared and sight and sight.reachable and (why := unfit(shared, id.place, sight.facts)):
                unshared[id] = why
        return replace(
            wish,
            addresses=views,
            address_settings={id: settings_of(view) for id, view in views.items()},
            unshared=unshared,
        )

    def _face(self, node: Node, *, sixth: bool) -> str:
        """An address of a node that a router listens on: one of IPv6 only where it was told to."""
        return node.serve_address if sixth or ":" not in node.serve_address else node.address

    def entrance(self, *, grpc: bool) -> Entrance:
        """Where this machine reaches the first router, by ssh if need be. Raises InputError without one."""
        from distctl.app.entrance import Entrance

        listens = self.router_endpoint(grpc=grpc)
        router = self.spec.routers[0]
        certificate = read_text(router.tls.certificate) if router.tls else ""
        return Entrance(self.parts.from_here(router.on[0], listens), certificate)

    def router_endpoint(self, *, grpc: bool) -> Endpoint:
        """Where the first router listens. Raises InputError without one."""
        if not self.spec.routers:
            raise InputError(f"{self.inventory.file}: no router in it", hint="add a router under `routers:`")
        router = self.spec.routers[0]
        host = router.shared.address if router.shared else router.address
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
