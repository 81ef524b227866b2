"""One look at the cluster: every node, server and router at once, into one frozen snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node, RouterId
from distctl.control.world import World
from distctl.errors import DistctlError

WIDTH = 32  # nodes and routers looked at side by side; paramiko's key exchange is bound by the processor

Key = TypeVar("Key")
Sight = TypeVar("Sight")


def observe(
    world: World, nodes: Iterable[Node], routers: Iterable[RouterId], *, deep: bool = True
) -> Snapshot:
    """Look at everything. `deep` also looks at the nodes' own files over their connectors.

    Never raises for what cannot be reached: that is told in the sights.
    """
    wanted = tuple(nodes)
    places = tuple(routers)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="observe") as pool:
        probing = pool.submit(world.probe, tuple(s for node in wanted for s in node.servers))
        looked = {n.name: pool.submit(_node, world, n.name) for n in wanted if not n.external} if deep else {}
        routed = {router: pool.submit(_router, world, router) for router in places}
        return Snapshot(
            at=world.clock.now(),
            nodes={name: future.result() for name, future in looked.items()},
            servers=probing.result(),
            routers={router: future.result() for router, future in routed.items()},
        )


def _node(world: World, name: str) -> NodeSight:
    return _told(lambda: world.node(name).look(), lambda error: NodeSight(name, reachable=False, error=error))


def _router(world: World, router: RouterId) -> RouterSight:
    return _told(
        lambda: world.router(router).look(), lambda error: RouterSight(router, running=False, error=error)
    )


def _told(look: Callable[[], Sight], failed: Callable[[str], Sight]) -> Sight:
    try:
        return look()
    except DistctlError as error:
        return failed(error.message)
