"""Making nodes ours before they are changed, keeping them so meanwhile, and letting them go afterwards.

The first node in the inventory's order is claimed before the others: two operators with two records who
start in the same moment meet there, and only one of them goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from distctl.cluster.snapshot import Instant, Owner
from distctl.control.execute import WIDTH
from distctl.control.world import World
from distctl.errors import DistctlError, Unreachable


class Claims:
    """Nodes that are ours, as `owner` says, until they are let go."""

    def __init__(self, world: World, nodes: Sequence[str], owner: Owner) -> None:
        self._world, self.nodes = world, tuple(nodes)
        self._until, self._seconds = owner.until, owner.until - owner.at
        self._renewals: dict[str, Future[None]] = {}  # by node: its last one
        self._pool: ThreadPoolExecutor | None = None
        self._one_at_a_time = Lock()

    def renew(self, now: Instant) -> None:
        """Let the claims last as long again, once a third of that has gone. Waits for no node.

        A node whose last renewal goes on still, since it is slow or a step has its lock, is left out. What
        fails is told by the next step there.
        """
        with self._one_at_a_time:
            if not self.nodes or self._until - now >= self._seconds * 2 / 3:
                return
            self._until = now + self._seconds
            pool = self._pool = self._pool or ThreadPoolExecutor(WIDTH, thread_name_prefix="renew")
            for name in self.nodes:
                last = self._renewals.get(name)
                if last is None or last.done():
                    self._renewals[name] = pool.submit(self._world.node(name).renew, self._until)

    def let_go(self, *, changed: bool = True) -> list[DistctlError]:
        """As the function of that name, once no renewal is under way any more: it would come too late."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        return let_go(self._world, self.nodes, changed=changed)


def claim(world: World, nodes: Sequence[str], owner: Owner, *, also: Iterable[str] = ()) -> Claims:
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
    return Claims(world, nodes, owner)


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
