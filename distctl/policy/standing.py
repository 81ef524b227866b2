"""How things stand, in the words that operators read: a state for each node, model and router, with reasons.

Intent (what somebody said) and observation (what was seen) are put side by side, never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from distctl.cluster.record import Intent, Record
from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.snapshot import ModelState, ServerSight, Snapshot
from distctl.cluster.spec import Node, RouterId, Server, ServerId, Spec
from distctl.policy.counts import counts


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """One server: its state, its models by state, and what routers have in flight there."""

    server: Server
    state: str
    reason: str
    ready: tuple[str, ...]
    missing: tuple[str, ...]  # placed here and not ready
    in_flight: int


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """One node: its worst server's state, and what was said of it."""

    node: Node
    state: str
    reason: str
    intent: Intent | None
    servers: tuple[ServerStanding, ...]
    in_flight: int
    released: bool  # no router sends it anything new, and nothing is in flight there


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """One model: how many replicas are wanted, why, and how many take requests."""

    name: str
    wanted: int
    why: str
    ready: int
    serving: int  # slots that are ready and healthy in every router, or replicas that are ready without one
    in_flight: int
    queued: int
    state: str


@dataclass(frozen=True, slots=True)
class RouterStanding:
    """One router: whether it runs, and what goes through it."""

    id: RouterId
    state: str
    reason: str
    in_flight: int
    requests: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole cluster at one moment."""

    nodes: tuple[NodeStanding, ...]
    models: tuple[ModelStanding, ...]
    routers: tuple[RouterStanding, ...]

    @property
    def healthy(self) -> bool:
        """Whether everything that is wanted is there: what `status --check` asks."""
        wanted = [n for n in self.nodes if not (n.intent and n.intent.draining)]
        return (
            all(n.state in ("ready", "routers only") for n in wanted)
            and all(m.serving >= m.wanted for m in self.models)
            and all(r.state == "running" for r in self.routers)
        )


def standing(spec: Spec, record: Record, snapshot: Snapshot) -> Standing:
    """How the cluster stands. Pure."""
    nodes = tuple(_node(node, record, snapshot) for node in spec.nodes)
    models = tuple(_models(spec, record, snapshot))
    routers = tuple(_router(router, snapshot.routers.get(router)) for router in spec.router_ids)
    return Standing(nodes, models, routers)


def _node(node: Node, record: Record, snapshot: Snapshot) -> NodeStanding:
    intent = record.intents.get(node.name)
    servers = tuple(_server(server, record, snapshot) for server in node.servers)
    sight = snapshot.nodes.get(node.name)
    state, reason = "ready", ""
    if not servers:
        state = "routers only"
    for server in servers:
        if server.state != "ready":
            state, reason = server.state, server.reason
            break
    if sight is not None and not sight.reachable:
        qualified = "unreachable" if state != "ready" else "ready (ssh unreachable)"
        state, reason = qualified, sight.error
    in_flight = sum(s.in_flight for s in servers)
    released = in_flight == 0 and not _open_slots(node, snapshot)
    return NodeStanding(node, state, reason, intent, servers, in_flight, released)


def _open_slots(node: Node, snapshot: Snapshot) -> bool:
    """Whether a router may still send something to a node; one that does not answer may."""
    return any(
        router.error
        or any(s.node == node.name and slot.state is SlotState.READY for _, s, slot in router.slots)
        for router in snapshot.routers.values()
    )


def _server(server: Server, record: Record, snapshot: Snapshot) -> ServerStanding:
    sight = snapshot.servers.get(server.id) or ServerSight(server.id, error="not asked")
    placed = sorted(r.model for r in record.replicas if r.server == server.id)
    ready = tuple(m for m, r in sorted(sight.replicas.items()) if r.state is ModelState.READY)
    missing = tuple(m for m in placed if m not in ready)
    in_flight = sum(
        slot.in_flight for r in snapshot.routers.values() for _, owner, slot in r.slots if owner == server.id
    )
    state, reason = _server_state(sight, missing)
    return ServerStanding(server, state, reason, ready, missing, in_flight)


def _server_state(sight: ServerSight, missing: tuple[str, ...]) -> tuple[str, str]:
    if not sight.live:
        return "stopped", sight.error or "it does not answer"
    for model in missing:
        replica = sight.replicas.get(model)
        if replica is not None and replica.state is ModelState.LOADING:
            return "loading", model
    if missing:
        replica = sight.replicas.get(missing[0])
        return "failed", f"{missing[0]}: {replica.reason if replica and replica.reason else 'not loaded'}"
    return "ready", ""


def _models(spec: Spec, record: Record, snapshot: Snapshot) -> Iterable[ModelStanding]:
    numbers = counts(spec, record.pins)
    for model in spec.models:
        ready = [
            server
            for server, sight in snapshot.servers.items()
            if (replica := sight.replicas.get(model.name)) and replica.state is ModelState.READY
        ]
        serving = [server for server in ready if _served(model.name, server, record, snapshot)]
        slots = [s for r in snapshot.routers.values() for name, _, s in r.slots if name == model.name]
        wanted = numbers[model.name].number
        yield ModelStanding(
            model.name,
            wanted,
            numbers[model.name].why,
            len(ready),
            len(serving),
            sum(s.in_flight for s in slots),
            sum(s.queued for s in slots),
            _model_state(wanted, len(serving)),
        )


def _model_state(wanted: int, serving: int) -> str:
    if wanted == 0:
        return "off"
    if serving == 0:
        return "failed (no replica serves)"
    return "ready" if serving >= wanted else f"short ({serving} of {wanted})"


def _served(model: str, server: ServerId, record: Record, snapshot: Snapshot) -> bool:
    """Whether every router that runs sends a model's requests to a server."""
    running = [router for router in snapshot.routers.values() if router.running]
    if not running:
        replica = record.replica(server, model)
        return replica is not None and replica.slot is SlotState.READY
    slots = [router.slot(model, server) for router in running]
    return all(slot is not None and slot.state is SlotState.READY and slot.healthy for slot in slots)


def _router(router: RouterId, sight: RouterSight | None) -> RouterStanding:
    if sight is None or sight.error:
        return RouterStanding(router, "unreachable", sight.error if sight else "not asked", 0, 0)
    if not sight.running:
        return RouterStanding(router, "stopped", "it does not run", 0, 0)
    in_flight = sum(slot.in_flight for _, _, slot in sight.slots)
    requests = sum(slot.total for _, _, slot in sight.slots)
    return RouterStanding(router, "running", "", in_flight, requests)
