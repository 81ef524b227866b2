"""The controller's look, each second: what the poller saw last, with ways and keys that are found once.

Nothing here is read from a node over ssh more than once: where a server is reached, and the key of its
restricted API. Until a key is there the server is asked without, so that nobody waits for a slow node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from distctl.adapters.polling import Poller, Target
from distctl.app.session import Session
from distctl.cluster.record import Record
from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Instant, ServerSight, Snapshot
from distctl.cluster.spec import Node, RouterId, Server, ServerId
from distctl.errors import DistctlError
from distctl.policy.counts import counts
from distctl.policy.probing import wanted

WIDTH = 32  # ways that are found at once; one to a node that is cut takes a second
SHY = 4  # keys that are read at once: each takes an ssh connection, and none is urgent
AGAIN = 30.0  # seconds until a key that was not to be had is read again
FIRST = 3.0  # seconds that a look waits for servers that nobody asked yet


class Watch:
    """Watches one cluster through a session's connections, until it is closed; before the session is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._poller = Poller(now=session.clock.now).start()
        self._finders = ThreadPoolExecutor(WIDTH, thread_name_prefix="distctl-reach")
        self._readers = ThreadPoolExecutor(SHY, thread_name_prefix="distctl-keys")
        self._ways: dict[Server, Future[Target]] = {}
        self._keys: dict[ServerId, Future[str]] = {}
        self._again: Instant = 0.0
        self._settled: tuple[Record, list[Target]] | None = None  # all that a record names, with their keys

    def close(self) -> None:
        """End what it does."""
        self._poller.close()
        for pool in (self._finders, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    def hurry(self) -> None:
        """Something was just changed: ask those again now that were left alone."""
        self._poller.hurry()

    def rest(self, seconds: float) -> None:
        """Wait so long, or less once a request comes for a model that sleeps."""
        self._poller.rest(seconds)

    @property
    def stretch(self) -> float:
        """How many times longer than a second it takes until a server is asked again."""
        return self._poller.stretch

    def look(self, record: Record) -> Snapshot:
        """Everything that the inventory and the record name, as it was seen within the last second or so.

        Whoever could not be asked yet is told as that. Nodes themselves are not looked at.
        """
        routers = sorted({*self._session.spec.router_ids, *record.routers})
        targets, lost = self._known(record)
        glances = {router: self._glance(router) for router in routers}
        self._poller.aim(targets, glances, brisk=self._asleep(record))
        return Snapshot(
            at=self._session.clock.now(),
            servers={**self._poller.servers(wait=FIRST), **lost},
            routers=self._poller.routers(wait=FIRST),
        )

    def _asleep(self, record: Record) -> bool:
        """Whether demand left a model without a replica, so that the first who asks for it waits for us."""
        spec = self._session.spec
        found = counts(spec, record.pins, record.sized)
        scaled = (found[model.name] for model in spec.models if model.autoscale is not None)
        return any(count.number == 0 and count.pin is None for count in scaled)

    def _glance(self, router: RouterId) -> Callable[[], RouterSight]:
        """Asks one router. Its port is made when it is first asked, since that may need its node."""
        return lambda: self._session.world.router(router).glance()

    def _known(self, record: Record) -> tuple[list[Target], dict[ServerId, ServerSight]]:
        """As `_targets`, for the record's nodes: sought again only while one lacks its way or its key."""
        if self._settled is not None and self._settled[0] is record:
            return self._settled[1], {}
        nodes = self._session.whole(record)
        found, lost = self._targets(nodes)
        probes = wanted(self._session.spec, record)
        targets = [replace(target, probes=probes.get(target.id, {})) for target in found]
        keyless = {node.name for node in nodes if node.external}
        if not lost and all(target.key or target.id.node in keyless for target in targets):
            self._settled = record, targets
        return targets, lost

    def _targets(self, nodes: Sequence[Node]) -> tuple[list[Target], dict[ServerId, ServerSight]]:
        """The servers that can be asked, and for the others why not."""
        keyless = {node.name for node in nodes if node.external}
        servers = (server for node in nodes for server in node.servers)
        self._ways = {s: self._ways.get(s) or self._finders.submit(self._way, s) for s in servers}
        wait(self._ways.values(), timeout=FIRST)
        targets: list[Target] = []
        lost: dict[ServerId, ServerSight] = {}
        for server, way in list(self._ways.items()):
            if not way.done():
                lost[server.id] = ServerSight(server.id, error="the way to it is not found yet")
                continue
            try:
                key = "" if server.id.node in keyless else self._key(server)
                targets.append(replace(way.result(), key=key))
            except DistctlError as error:
                lost[server.id] = ServerSight(server.id, error=error.message)
                del self._ways[server]
        return targets, lost

    def _way(self, server: Server) -> Target:
        reach = self._session.parts.reach
        return Target(server.id, reach(server, server.http), reach(server, server.metrics))

    def _key(self, server: Server) -> str:
        """The key of a server as far as it is known."""
        reading = self._keys.get(server.id)
        if reading is not None and not reading.done():
            return ""
        if reading is not None and (key := reading.result()):
            return key
        now = self._session.clock.now()
        if reading is None or now >= self._again:
            self._again = now + AGAIN
            self._keys[server.id] = self._readers.submit(self._read, server)
        return ""

    def _read(self, server: Server) -> str:
        try:
            return self._session.world.node(server.id.node).key(server)
        except DistctlError:
            return ""
