"""One look at the cluster: every node, server and router at once, into one frozen snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node, RouterId, ServerId
from distctl.control.world import World
from distctl.errors import DistctlError

WIDTH = 32  # nodes and routers looked at side by side; paramiko's key exchange is bound by the processor


def observe(
    world: World, nodes: Iterable[Node], routers: Iterable[RouterId], *, deep: bool = True
) -> Snapshot:
    """Look at everything. `deep` also looks at the nodes' own files over their connectors.

    Never raises for what cannot be reached: that is told in the sights.
    """
    wanted = tuple(nodes)
    places = tuple(routers)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="observe") as pool:
        routed = {router: pool.submit(_router, world, router) for router in places}
        looked = [pool.submit(_node, world, node) for node in wanted if deep and not node.external]
        sights = [future.result() for future in looked]
        keys = {server: key for _, known in sights for server, key in known.items()}
        servers = world.probe(tuple(s for node in wanted for s in node.servers), keys)
        return Snapshot(
            at=world.clock.now(),
            nodes={sight.name: sight for sight, _ in sights},
            servers=servers,
            routers={router: future.result() for router, future in routed.items()},
        )


def _node(world: World, node: Node) -> tuple[NodeSight, dict[ServerId, str]]:
    """A node as it was seen, and the keys of its servers' restricted APIs."""
    try:
        site = world.node(node.name)
        sight = site.look()
        if not sight.reachable:
            return sight, {}
        return sight, {server.id: site.key(server) for server in node.servers}
    except DistctlError as error:
        return NodeSight(node.name, reachable=False, error=error.message), {}


def _router(world: World, router: RouterId) -> RouterSight:
    try:
        return world.router(router).look()
    except DistctlError as error:
        return RouterSight(router, running=False, error=error.message)
