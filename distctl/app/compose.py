"""The composition root: the one place that knows every adapter and joins them into a world."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from distctl.cluster.snapshot import ServerSight, Silence
from distctl.cluster.spec import Connection, Endpoint, Node, RouterId, Server, ServerId
from distctl.config import Inventory, find, load

if TYPE_CHECKING:
    from distctl.adapters.artifacts import Artifacts
    from distctl.adapters.clock import SystemClock
    from distctl.adapters.environments import Environments
    from distctl.adapters.images import Images
    from distctl.adapters.node_site import NodeSite
    from distctl.adapters.ssh import Connections
    from distctl.adapters.store import SqlStore
    from distctl.adapters.tracing import Tell
    from distctl.app.session import Session
    from distctl.control.world import World
    from distctl.ports import AddressControl, Connector, RouterControl, TritonClient

PROBE = 3.0  # seconds that a server may take to answer a look
WIDTH = 32  # serve addresses that are tried side by side
REACH = 1.0  # seconds to find out whether a serve address answers this machine


def read_inventory(explicit: Path | None) -> Inventory:
    """The inventory that is meant. Raises InputError; nothing is contacted."""
    return load(find(explicit, os.environ, Path.cwd()))


@dataclass(slots=True)
class Parts:
    """The adapters of one session."""

    store: SqlStore
    clock: SystemClock
    connections: Connections
    artifacts: Artifacts
    environments: Environments
    images: Images
    world: World
    connector: Callable[[Node], Connector]
    from_here: Callable[[str, Endpoint], Endpoint]  # an endpoint of a place as this machine reaches it
    reach: Callable[[Server, Endpoint], Endpoint]  # one of a server's ports likewise


@dataclass(slots=True)
class Makers:
    """Makes ports when they are first asked for, each once."""

    session: Session
    connections: Connections
    artifacts: Artifacts
    images: Images
    clock: SystemClock
    traced: Callable[[str, Connector], Connector] = lambda _, connector: connector
    sites: dict[str, NodeSite] = field(default_factory=dict)
    tritons: dict[ServerId, TritonClient] = field(default_factory=dict)
    routers: dict[RouterId, RouterControl] = field(default_factory=dict)
    reached: dict[Endpoint, Endpoint] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def connector(self, node: Node) -> Connector:
        """A node's connector, one that tells of its steps if somebody listens."""
        return self.traced(node.name, self.connections.connector(node))

    def site(self, name: str) -> NodeSite:
        """A node's port."""
        from distctl.adapters.node_site import NodeSite

        with self.lock:
            if name not in self.sites:
                node = self.session.node(name)
                self.sites[name] = NodeSite(
                    node,
                    self.connector(node),
                    self.session.spec.cluster,
                    self.artifacts.digest,
                    pins=self.images,
                    clock=self.clock.now,
                    models=self.session.contents.on_nodes if node.servers else {},
                )
            return self.sites[name]

    def triton(self, server: ServerId) -> TritonClient:
        """A server's model control."""
        from distctl.adapters.triton_http import HttpTriton

        if server not in self.tritons:
            found = self.session.server(server)
            external = self.session.node(server.node).external
            self.tritons[server] = HttpTriton(
                self.reach(found, found.http),
                (lambda: "") if external else (lambda: self.site(server.node).key(found)),
                grpc=lambda: self.reach(found, found.grpc),
            )
        return self.tritons[server]

    def router(self, router: RouterId) -> RouterControl:
        """A router's control."""
        from distctl.adapters.haproxy import HaproxyRouter

        if router not in self.routers:
            site = self.site(router.place)
            spec = next((r for r in self.session.routed.routers if r.name == router.router), None)
            self.routers[router] = HaproxyRouter(
                self.connector(self.session.node(router.place)),
                router,
                site.paths.root,
                lambda script, tried, deadline: site.change(script, tried=tried, deadline=deadline),
                manager=site.manager,
                haproxy=spec.haproxy if spec else None,
                login=site.login,
            )
        return self.routers[router]

    def address(self, router: RouterId) -> AddressControl:
        """A router's shared address on one place."""
        from distctl.adapters.keepalived import Keepalived

        site = self.site(router.place)
        shared = next((r.shared for r in self.session.routed.routers if r.name == router.router), None)
        return Keepalived(
            self.connector(self.session.node(router.place)),
            router,
            site.paths.root,
            lambda script, tried, deadline: site.change(script, tried=tried, deadline=deadline),
            site.manager,
            shared,
        )

    def reach(self, server: Server, endpoint: Endpoint) -> Endpoint:
        """Where this machine reaches one of a server's ports: directly, else through ssh to its node."""
        node = self.session.node(server.id.node)
        if node.connection is Connection.LOCAL or node.external:
            return endpoint
        return self.from_here(node.name, endpoint)

    def from_here(self, place: str, endpoint: Endpoint) -> Endpoint:
        """Where this machine reaches an endpoint of a place: directly, else through ssh to the place."""
        from distctl.adapters.ssh import SshConnector

        connector = self.connections.connector(self.session.node(place))
        if not isinstance(connector, SshConnector):
            return endpoint
        if endpoint not in self.reached:
            self.reached[endpoint] = endpoint if _answers(endpoint) else connector.forward(endpoint)
        return self.reached[endpoint]

    def probe(
        self, servers: tuple[Server, ...], keys: Mapping[ServerId, str]
    ) -> Mapping[ServerId, ServerSight]:
        """What many servers answer now; those that were given GPUs also tell which they see."""
        from distctl.adapters.polling import observe_servers
        from distctl.errors import DistctlError

        def reached(server: Server) -> tuple[Endpoint, Endpoint | None]:
            metrics = None if server.gpus is None else self.reach(server, server.metrics)
            return self.reach(server, server.http), metrics

        endpoints, lost = {}, {}
        metrics: dict[ServerId, Endpoint] = {}
        with ThreadPoolExecutor(WIDTH, thread_name_prefix="reach") as pool:
            for server, found in [(s, pool.submit(reached, s)) for s in servers]:
                try:
                    endpoints[server.id], also = found.result()
                    metrics |= {server.id: also} if also else {}
                except DistctlError as error:
                    lost[server.id] = ServerSight(server.id, error=error.message)
        seen = observe_servers(endpoints, keys, metrics=metrics, timeout=PROBE)
        # A tunnel takes every connection, so what it does then says nothing of the server behind it.
        direct = {server.id for server in servers if endpoints.get(server.id) == server.http}
        sights = {s: t if s in direct else replace(t, silence=Silence.NONE) for s, t in seen.items()}
        return {**sights, **lost}


def _answers(endpoint: Endpoint) -> bool:
    """Whether packets come back from there: a refusal is an answer, silence is none."""
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout=REACH).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tells each text the first time only. A secret is read again for every connection that needs it."""
    told: set[str] = set()
    lock = Lock()

    def first(text: str) -> None:
        with lock:
            if text in told:
                return
            told.add(text)
        tell(text)

    return first


def beside(inventory: Inventory) -> Path:
    """The file that the record is in where the inventory names no other place."""
    return inventory.file.parent / ".distctl" / f"{inventory.spec.cluster}.db"


@contextmanager
def open_session(
    explicit: Path | None, *, warn: Callable[[str], None], tell: Tell | None = None
) -> Iterator[Session]:
    """The cluster of the inventory that is meant, as `open_inventory` opens it. Raises InputError."""
    with open_inventory(read_inventory(explicit), warn=warn, tell=tell) as session:
        yield session


@contextmanager
def open_inventory(
    inventory: Inventory,
    *,
    warn: Callable[[str], None],
    tell: Tell | None = None,
    store: SqlStore | None = None,
) -> Iterator[Session]:
    """The cluster of an inventory, ready for use; everything it opened is closed at the end.

    `tell` is told of each remote step, secrets taken out. `store` is another session's of this process: a
    process that opens SQLite's file twice loses its locks on it, as POSIX has them.
    """
    from distctl.adapters.artifacts import Artifacts, default_cache
    from distctl.adapters.clock import SystemClock
    from distctl.adapters.environments import Environments
    from distctl.adapters.images import Images
    from distctl.adapters.ssh import Connections
    from distctl.adapters.store import SqlStore
    from distctl.adapters.tracing import Secrets, TracedConnector
    from distctl.app.session import Session
    from distctl.config.secrets import resolve
    from distctl.control.world import World

    folder = inventory.file.parent
    warned = once(warn)

    secret = Secrets(lambda ref: resolve(ref, folder, warn=warned))

    def traced(node: str, connector: Connector) -> Connector:
        return TracedConnector(node, connector, tell, secret.redact) if tell else connector

    password = inventory.store.password
    clock = SystemClock()
    own = store or SqlStore(
        inventory.store.url,
        clock=clock,
        cluster=inventory.spec.cluster,
        password=(lambda: secret(password)) if password else None,
        former=beside(inventory),
    )
    connections = Connections(secret=secret, warn=warned)
    artifacts = Artifacts.from_environment()
    images = Images(secret)
    session = Session(inventory)
    makers = Makers(session, connections, artifacts, images, clock, traced)
    world = World(
        store=own,
        clock=clock,
        node=makers.site,
        triton=makers.triton,
        router=makers.router,
        address=makers.address,
        probe=makers.probe,
        view=session.routers.view,
        folder=session.contents.folder,
        archive=session.contents.archive,
    )
    session.parts = Parts(
        own,
        clock,
        connections,
        artifacts,
        Environments(default_cache()),
        images,
        world,
        makers.connector,
        makers.from_here,
        makers.reach,
    )
    try:
        yield session
    finally:
        with suppress(OSError):
            connections.close()
        if store is None:
            own.close()
