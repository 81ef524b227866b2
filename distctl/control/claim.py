"""Making nodes ours before they are changed, and letting them go afterwards.

The first node in the inventory's order is claimed before the others: two operators with two records who
start in the same moment meet there, and only one of them goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from distctl.cluster.snapshot import Owner
from distctl.control.execute import WIDTH
from distctl.control.world import World
from distctl.errors import DistctlError, Unreachable


def claim(world: World, nodes: Sequence[str], owner: Owner, *, also: Iterable[str] = ()) -> None:
    """Write the owner file of each node that can be reached; those that cannot fail at their first step.

    `also` are other records from which a node may be taken.

    Raises what the first refusal was. Nothing was changed then, and the nodes are let go.
    """
    waiting = iter(nodes)
    records = tuple(also)
    any(_claimed(world, name, owner, records) for name in waiting)
    try:
        with ThreadPoolExecutor(WIDTH, thread_name_prefix="claim") as pool:
            for future in [pool.submit(_claimed, world, name, owner, records) for name in waiting]:
                future.result()
    except DistctlError:
        let_go(world, nodes, changed=False)
        raise


def _claimed(world: World, name: str, owner: Owner, also: tuple[str, ...]) -> bool:
    try:
        world.node(name).claim(owner, also=also)
    except Unreachable:
        return False
    return True


def let_go(world: World, nodes: Sequence[str], *, changed: bool = True) -> list[DistctlError]:
    """Say on each node that the work is done. What fails is given back, since nothing depends on it.

    Nodes where nothing was `changed` show the generation before again.
    """
    errors = []
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="release") as pool:
        for future in [pool.submit(world.node(name).release, changed=changed) for name in nodes]:
            try:
                future.result()
            except DistctlError as error:
                errors.append(error)
    return errors
