"""One look at the cluster: every node, server and router at once, into one frozen snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from distctl.cluster.router import RouterSight
from distctl.cluster.shared import AddressSight
from distctl.cluster.snapshot import NodeSight, Silence, Snapshot
from distctl.cluster.spec import Node, RouterId, Server, ServerId
from distctl.control.world import World
from distctl.errors import DistctlError

WIDTH = 32  # nodes and routers looked at side by side; paramiko's key exchange is bound by the processor


Divide = Callable[[Node, NodeSight], Node]  # a node with the servers that this sight of it tells of


def observe(
    world: World,
    nodes: Iterable[Node],
    routers: Iterable[RouterId],
    *,
    deep: bool = True,
    divide: Divide = lambda node, _: node,
    shared: Iterable[RouterId] = (),
    doubted: Collection[ServerId] = (),
) -> Snapshot:
    """Look at everything. `deep` also looks at the nodes' own files over their connectors.

    `divide` says which servers a node has once it was seen; `shared` are the places of routers that share an
    address; `doubted` servers are asked on their own nodes at the same time. Never raises for what cannot be
    reached: that is told in the sights.
    """
    wanted = tuple(nodes)
    places = tuple(routers)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="observe") as pool:
        addresses = {router: pool.submit(_address, world, router) for router in shared}
        routed = {router: pool.submit(_router, world, router) for router in places}
        looked = [pool.submit(_node, world, node, divide) for node in wanted if deep and not node.external]
        seen = [future.result() for future in looked]
        found = {sight.name: servers for sight, servers, _ in seen}
        keys = {server: key for _, _, known in seen for server, key in known.items()}
        asked = tuple(s for n in wanted for s in found.get(n.name, n.servers))
        sights = {sight.name: sight for sight, _, _ in seen}
        running = [s for s in asked if _runs(sights.get(s.id.node), s)]
        early = {s.id: pool.submit(_inside, world, s) for s in running if s.id in doubted}
        servers = world.probe(asked, keys)
        silent = [s for s in running if not servers[s.id].live]
        inside = {s.id: early.get(s.id) or pool.submit(_inside, world, s) for s in silent}
        return Snapshot(
            at=world.clock.now(),
            nodes=sights,
            servers={**servers, **{s: replace(servers[s], inside=f.result()) for s, f in inside.items()}},
            routers={router: future.result() for router, future in routed.items()},
            addresses={router: future.result() for router, future in addresses.items()},
        )


def _node(
    world: World, node: Node, divide: Divide
) -> tuple[NodeSight, tuple[Server, ...], dict[ServerId, str]]:
    """A node as it was seen, its servers, and the keys of their restricted APIs."""
    try:
        site = world.node(node.name)
        sight = site.look()
        if not sight.reachable:
            return sight, node.servers, {}
        servers = divide(node, sight).servers
        return sight, servers, {server.id: site.key(server) for server in servers}
    except DistctlError as error:
        return NodeSight(node.name, reachable=False, error=error.message), node.servers, {}


def _runs(node: NodeSight | None, server: Server) -> bool:
    unit = node.units.get(f"server-{server.id.server}") if node else None
    return unit is not None and unit.process is not None


def _inside(world: World, server: Server) -> Silence | None:
    """How a server does not answer on its own node; None where the node cannot be asked."""
    try:
        return world.node(server.id.node).silence(server)
    except DistctlError:
        return None


def _router(world: World, router: RouterId) -> RouterSight:
    try:
        return world.router(router).look()
    except DistctlError as error:
        return RouterSight(router, running=False, error=error.message)


def _address(world: World, router: RouterId) -> AddressSight:
    try:
        return world.address(router).look()
    except DistctlError as error:
        return AddressSight(router, error=error.message)
