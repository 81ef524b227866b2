"""What the tests of health and healing share: a cluster that was set up, and looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rehearsal import ROUTER, model, node, spec

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import Health, Known, Record, Replica, SetHealth
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import (
    Instant,
    ModelState,
    NodeSight,
    ReplicaSight,
    ServerSight,
    Silence,
    Snapshot,
    UnitSight,
)
from distctl.cluster.spec import ServerId, Spec
from distctl.policy.healing import Round, Ward, visit

READY = {"digits": ReplicaSight(ModelState.READY)}


def cluster(names: str = "abc", healing: HealingSpec | None = None) -> tuple[Spec, Record]:
    """A node for each letter, all with digits, and one router."""
    wanted = spec([node(name) for name in names], [model("digits", len(names))])
    servers = [server.id for server in wanted.servers]
    record = Record(
        "record",
        known={name: Known(name, "") for name in names},
        replicas=frozenset(Replica(server, "digits", "1", SlotState.READY) for server in servers),
        routers=frozenset({ROUTER}),
    )
    return replace(wanted, healing=healing or HealingSpec(fall=3)), record


def well(server: ServerId) -> ServerSight:
    return ServerSight(server, live=True, ready=True, replicas=READY)


def silent(server: ServerId, silence: Silence) -> ServerSight:
    return ServerSight(server, error=f"{server} does not answer", silence=silence)


def without(server: ServerId, reason: str = "unloaded") -> ServerSight:
    return ServerSight(server, live=True, replicas={"digits": ReplicaSight(ModelState.UNAVAILABLE, reason)})


def router(healthy: Mapping[ServerId, bool], state: SlotState = SlotState.READY) -> RouterSight:
    slots = tuple(("digits", server, SlotSight(state, ok, 0, 0)) for server, ok in healthy.items())
    return RouterSight(ROUTER, running=True, slots=slots)


def inside(server: ServerId, **unit: object) -> NodeSight:
    """What a node says of its server's unit."""
    name = f"server-{server.server}"
    return NodeSight(server.node, reachable=True, units={name: UnitSight(name, **unit)})  # type: ignore[arg-type]


class Watch:
    """Looks, one a second, and what follows from them."""

    def __init__(self, names: str = "abc", healing: HealingSpec | None = None) -> None:
        self.spec, self.record = cluster(names, healing)
        self.servers = [server.id for server in self.spec.servers]
        self.now: Instant = 1000.0
        self.ward = Ward()
        self.events: list[str] = []
        self.health: list[Health] = []

    def look(self, **other: ServerSight) -> Round:
        """One look: all are well but those of the nodes that are named, and the router sees the same."""
        self.now += 1.0
        sights = {s: other.get(s.node) or well(s) for s in self.servers}
        routed = router({s: sight.live and sight.replicas == READY for s, sight in sights.items()})
        return self.see(Snapshot(self.now, servers=sights, routers={ROUTER: routed}))

    def see(self, snapshot: Snapshot) -> Round:
        found = visit(self.ward, self.spec, self.record, snapshot)
        self.ward = found.ward
        for change in found.news:
            if isinstance(change, SetHealth):
                self.health.append(change.health)
            else:
                self.events.append(f"{change.event.subject} {change.event.text}")  # type: ignore[union-attr]
        return found

    def looks(self, times: int, **other: ServerSight) -> Round:
        for _ in range(times - 1):
            self.look(**other)
        return self.look(**other)
