"""What the routers of an opened cluster are to be, and where they are reached."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from distctl.app.certificates import read_text
from distctl.cluster.record import Record
from distctl.cluster.router import RouterView, Sequences, Tls
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import Endpoint, Node, RouterId
from distctl.control.routing import Routing
from distctl.errors import InputError
from distctl.policy.wish import Wish

if TYPE_CHECKING:
    from distctl.app.entrance import Entrance
    from distctl.app.session import Session
    from distctl.control.world import World
    from distctl.policy.stateless import Nature


class Routers:
    """Of one session. Certificates are read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tls: dict[str, Tls] = {}

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Serve addresses and the IP addresses that routers are told for them."""
        nodes = [node for node in self._session.whole(self._session.record) if node.serves]
        return {node.serve_address: _address(node.serve_address) for node in nodes}

    def view(self, record: Record, router: RouterId) -> RouterView:
        """What a router is to be, from a record."""
        from distctl.policy.lives import ends
        from distctl.policy.peers import peers_of
        from distctl.policy.view import Models, Place, router_view

        session = self._session
        ours = {server.id for server in session.spec.servers}
        leaving = tuple(s for n in session.whole(record) for s in n.servers if s.id not in ours)
        near = all(host.startswith("127.") or host == "::1" for host in self.hosts.values())
        return router_view(
            session.routed,
            record,
            router,
            hosts=self.hosts,
            leaving=leaving,
            place=Place(
                0.05 if near else self._round_trip(record, router),
                record.facts.get(router.place, {}).get("uid") == "0",
                self.tls(router.router),
                peers_of(session.spec, router, lambda place: _address(session.node(place).serve_address)),
                ends(record, session.spec, router),
            ),
            models=Models(self.stateful(record), self.concurrency, self.sequences(record)),
        )

    def natures(self, record: Record) -> dict[str, Nature]:
        """What is known of each model: read from its folder here, or remembered from the nodes."""
        from distctl.policy.stateless import natures

        return natures(self._session.spec, self._session.contents.configs, record.facts)

    def stateful(self, record: Record) -> frozenset[str]:
        """The models that keep state or stream, and those of which that is not known."""
        return frozenset(name for name, nature in self.natures(record).items() if nature.stateful)

    def sequences(self, record: Record) -> dict[str, Sequences]:
        """What routers have to know of the models with sequences; the places of those alone that lie here."""
        from distctl.policy.sequences import sequences

        natures = {name: nature for name, nature in self.natures(record).items() if not nature.unread}
        here = {name: sequences(self._session.contents.configs.get(name, "")) for name in natures}
        return {name: here[name] or Sequences(n.idle) for name, n in natures.items() if n.idle}

    @cached_property
    def concurrency(self) -> dict[str, int]:
        """How many requests one server can use at once, of the models whose configuration lies here."""
        from distctl.policy.capacity import concurrency

        return {
            model.name: concurrency(self._session.contents.configs.get(model.name, ""))
            for model in self._session.spec.models
        }

    def tls(self, router: str) -> Tls | None:
        """What a router's files for TLS hold, read once. Raises InputError: see `certificates.read_tls`."""
        from distctl.app.certificates import read_tls

        spec = self._session.routed.router(router).tls
        if spec is None:
            return None
        if router not in self._tls:
            self._tls[router] = read_tls(router, spec, self._session.inventory.file.parent)
        return self._tls[router]

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

    def config(self, record: Record, router: RouterId) -> str:
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
            world or self._session.world, token, told, idle=lambda model: idle.get(model, 0.0), silent=silent
        )

    def with_addresses(self, wish: Wish, record: Record, snapshot: Snapshot) -> Wish:
        """The wish with what keepalived is to be on the places that share an address.

        A place that leaves is spoken with as long as it is there.
        """
        from distctl.commands.keepalived import settings_of
        from distctl.policy.addresses import address_views, unfit

        spec = self._session.spec if wish.prune else self._session.routed
        leaving = address_views(self._session.routed, record)
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

        listens = self.endpoint(grpc=grpc)
        router = self._session.spec.routers[0]
        certificate = read_text(router.tls.certificate) if router.tls else ""
        return Entrance(self._session.parts.from_here(router.on[0], listens), certificate)

    def endpoint(self, *, grpc: bool) -> Endpoint:
        """Where the first router listens. Raises InputError without one."""
        if not self._session.spec.routers:
            raise InputError(
                f"{self._session.inventory.file}: no router in it", hint="add a router under `routers:`"
            )
        router = self._session.spec.routers[0]
        host = router.shared.address if router.shared else router.address
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = self._face(self._session.node(router.on[0]), sixth=host == "::")
        return Endpoint(host, router.grpc_port if grpc else router.http_port)


def _address(host: str) -> str:
    """The IP address of a name; the name itself when it cannot be resolved, for the router to complain of."""
    try:
        found: list[Any] = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return host
    return str(found[0][4][0])
