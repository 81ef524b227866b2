"""One opened cluster: its spec, its record and its world, and what commands ask about them."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from distctl.adapters.process import ended, mark
from distctl.app.contents import Contents
from distctl.app.leftovers import left_nodes, left_servers, with_left_routers, with_servers
from distctl.app.needing import Needs
from distctl.app.routers import Routers
from distctl.cluster.lease import MARK
from distctl.cluster.record import Record
from distctl.cluster.spec import Connection, Node, Server, ServerId, Spec
from distctl.config.values import LOCAL
from distctl.policy.devices import assigned

if TYPE_CHECKING:
    from distctl.adapters.clock import SystemClock
    from distctl.adapters.ssh.host_keys import ShownKey
    from distctl.adapters.store import SqlStore
    from distctl.app.compose import Parts
    from distctl.config import Inventory
    from distctl.control.world import World
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
        self.needs = Needs(self)
        self.contents = Contents(self)
        self.routers = Routers(self)

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

    @property
    def record(self) -> Record | None:
        """The record that was read last."""
        return self._record

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
