"""How things stand, in the words that operators read: a state for each node, model and router, with reasons.

Intent (what somebody said) and observation (what was seen) are put side by side, never mixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from distctl.cluster.gpu import Gpu, devices
from distctl.cluster.record import Health, Intent, Power, PowerState, Record
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import Instant, ModelState, ServerSight, Snapshot
from distctl.cluster.spec import ModelSpec, Node, RouterId, Server, ServerId, Spec
from distctl.policy.assignment import called, mismatch
from distctl.policy.counts import Count, counts, said
from distctl.policy.devices import all_lost, without_device
from distctl.policy.health import FAILING, remembered
from distctl.policy.holders import AddressStanding, address_standings
from distctl.policy.lives import RUN, Fate, Life, fates
from distctl.policy.symptoms import Kind
from distctl.policy.wish import answering

WRONG = "wrong GPU"
NO_SERVER = "no server"
GRAVEST = ("stopped", "failed", WRONG, "loading", "ready")  # what is told of a node whose servers differ
WELL = {Kind.READY, Kind.UNKNOWN, Kind.STARTING, Kind.LOADING}  # health that says nothing of a silent server


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """One server: its state, its models by state, and what routers have in flight there.

    `gpus` are the devices that it was given, in words, "" for all; `reported` the GPUs that Triton names.
    """

    server: Server
    state: str
    reason: str
    ready: tuple[str, ...]
    missing: tuple[str, ...]  # placed here and not ready
    in_flight: int
    gpus: str = ""
    reported: tuple[str, ...] = ()


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
    gpus: tuple[Gpu, ...] = ()  # as they were at the last look at the node itself
    power: Power | None = None  # with its time counted until now; None: it is never turned off


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
    range: str = ""  # within which demand decides, as `0 to 6`; "" for a fixed number
    since: Instant | None = None  # when demand decided the count; None: it did not


@dataclass(frozen=True, slots=True)
class RouterStanding:
    """One router: whether it runs, and what goes through it."""

    id: RouterId
    state: str
    reason: str
    in_flight: int
    requests: int
    fate: Fate = RUN


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole cluster at one moment."""

    nodes: tuple[NodeStanding, ...]
    models: tuple[ModelStanding, ...]
    routers: tuple[RouterStanding, ...]
    addresses: tuple[AddressStanding, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether everything that is wanted is there: what `status --check` asks."""
        wanted = [
            n for n in self.nodes if not ((n.intent and n.intent.draining) or (n.power and n.power.shut))
        ]
        return (
            all(n.state in ("ready", "routers only") for n in wanted)
            and all(m.serving >= m.wanted for m in self.models)
            and all(r.state == "running" for r in self.routers if r.fate.life is Life.RUN)
            and all(a.whole for a in self.addresses)
        )


@dataclass
class Sights:
    """What was recorded and seen, ready to be asked for each server and model."""

    record: Record
    snapshot: Snapshot
    lost: Mapping[ServerId, str]  # servers without their devices, and why

    @cached_property
    def slots(self) -> Mapping[ServerId, list[SlotSight]]:
        """By server: its slots in every router."""
        found = defaultdict[ServerId, list[SlotSight]](list)
        for router in self.snapshot.routers.values():
            for _, server, slot in router.slots:
                found[server].append(slot)
        return found

    @cached_property
    def pools(self) -> Mapping[str, list[SlotSight]]:
        """By model: its slots in every router."""
        found = defaultdict[str, list[SlotSight]](list)
        for router in self.snapshot.routers.values():
            for model, _, slot in router.slots:
                found[model].append(slot)
        return found

    @cached_property
    def placed(self) -> Mapping[ServerId, list[str]]:
        """By server: the models that are meant to be there, sorted."""
        found = defaultdict[ServerId, list[str]](list)
        for server, model in sorted(self.record.places):
            found[server].append(model)
        return found

    @cached_property
    def unsure(self) -> bool:
        """Whether a router may send anything anywhere: it does not answer, or an old worker still serves."""
        return any(router.error or router.old_workers for router in self.snapshot.routers.values())

    @cached_property
    def running(self) -> list[RouterSight]:
        """The routers that run."""
        return [router for router in self.snapshot.routers.values() if router.running]

    def serves(self, model: str, server: ServerId) -> bool:
        """Whether every router that runs sends a model's requests to a server."""
        if not self.running:
            replica = self.record.replica(server, model)
            return replica is not None and replica.slot is SlotState.READY
        slots = [router.slot(model, server) for router in self.running]
        return all(slot is not None and slot.state is SlotState.READY and slot.healthy for slot in slots)


def standing(spec: Spec, record: Record, snapshot: Snapshot) -> Standing:
    """How the cluster stands. Pure."""
    sights = Sights(record, snapshot, all_lost(spec, record.facts))
    nodes = tuple(_node(node, sights) for node in spec.nodes)
    models = tuple(_models(spec, sights))
    lives = fates(spec, record)
    routers = tuple(
        _router(router, snapshot.routers.get(router), lives[router]) for router in spec.router_ids
    )
    return Standing(nodes, models, routers, address_standings(spec, snapshot))


def _node(node: Node, sights: Sights) -> NodeStanding:
    intent = sights.record.intents.get(node.name)
    servers = tuple(_server(server, sights) for server in node.servers)
    sight = sights.snapshot.nodes.get(node.name)
    state, reason = "routers only", ""
    if node.per_device is not None and not servers:
        why = without_device(node, sights.record.facts.get(node.name, {}))
        state, reason = NO_SERVER, why or f"{node.per_device}; known after the first look"
    for server in sorted(servers, key=_gravity)[:1]:
        state, reason = server.state, server.reason
    if sight is not None and not sight.reachable and state != Kind.GONE.value:
        qualified = "unreachable" if state != "ready" else "ready (ssh unreachable)"
        state, reason = qualified, sight.error
    power = sights.record.powers.get(node.name)
    if power is not None and power.state is not PowerState.ON:
        state, reason = power.state.value, power.why
    slots = [slot for server in node.servers for slot in sights.slots.get(server.id, ())]
    in_flight = sum(slot.in_flight for slot in slots)
    closed = all(slot.state is not SlotState.READY for slot in slots)
    released = in_flight == 0 and closed and not sights.unsure
    gpus = devices(sight.facts if sight and sight.facts else sights.record.facts.get(node.name, {}))
    counted = power and power.counted(sights.snapshot.at)
    return NodeStanding(node, state, reason, intent, servers, in_flight, released, gpus, counted)


def _server(server: Server, sights: Sights) -> ServerStanding:
    sight = sights.snapshot.servers.get(server.id) or ServerSight(server.id, error="not asked")
    ready = tuple(m for m, r in sorted(sight.replicas.items()) if r.state is ModelState.READY)
    missing = tuple(m for m in sights.placed.get(server.id, ()) if m not in ready)
    in_flight = sum(slot.in_flight for slot in sights.slots.get(server.id, ()))
    state, reason = _server_state(sight, missing)
    health = sights.record.health.get(server.id)
    if health is not None and (not sight.live or remembered(health).kind in FAILING):
        state, reason = _held(health, sights.snapshot.at) or (state, reason)
    facts = sights.record.facts.get(server.id.node, {})
    if state == "ready" and (wrong := mismatch(server, sight.gpus, facts)):
        state, reason = WRONG, wrong
    reason = "; ".join(part for part in (reason, sights.lost.get(server.id, "")) if part)
    gpus = called(server, facts)
    return ServerStanding(server, state, reason, ready, missing, in_flight, gpus, sight.gpus)


def _gravity(server: ServerStanding) -> int:
    """Where its state stands in the order; what only a controller says of a server is the gravest."""
    return GRAVEST.index(server.state) if server.state in GRAVEST else -1


def _held(health: Health, now: Instant) -> tuple[str, str] | None:
    """What a controller holds of a server that does not answer: its word, why, and for how long."""
    if remembered(health).kind in WELL:
        return None
    return health.state, f"{health.reason} (for {max(0.0, now - health.since):.0f} s)"


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


def _models(spec: Spec, sights: Sights) -> Iterable[ModelStanding]:
    numbers = counts(spec, sights.record.pins, sights.record.sized)
    ready = defaultdict[str, list[ServerId]](list)
    for server, name in answering(sights.snapshot):
        ready[name].append(server)
    for model in spec.models:
        name, count = model.name, numbers[model.name]
        serving = sum(sights.serves(name, server) for server in ready[name])
        slots = sights.pools.get(name, [])
        yield ModelStanding(
            name,
            count.number,
            count.why,
            len(ready[name]),
            serving,
            sum(s.in_flight for s in slots),
            sum(s.queued for s in slots),
            _model_state(model, count, serving),
            said(model) if model.autoscale else "",
            count.since,
        )


def _model_state(model: ModelSpec, count: Count, serving: int) -> str:
    wanted = count.number
    if wanted == 0:
        return "asleep" if model.autoscale and count.pin is None else "off"
    if serving == 0:
        return "failed (no replica serves)"
    return "ready" if serving >= wanted else f"short ({serving} of {wanted})"


def _router(router: RouterId, sight: RouterSight | None, fate: Fate) -> RouterStanding:
    if sight is None or sight.error:
        return RouterStanding(router, "unreachable", sight.error if sight else "not asked", 0, 0, fate)
    if not sight.running:
        state = "drained" if fate.life is Life.DRAIN else "stopped"
        return RouterStanding(router, state, fate.why or "it does not run", 0, 0, fate)
    in_flight = sum(slot.in_flight for _, _, slot in sight.slots)
    requests = sum(slot.total for _, _, slot in sight.slots)
    ending = sight.stopping or fate.life is not Life.RUN
    state = "draining" if ending else "running"
    return RouterStanding(router, state, fate.why or sight.outdated, in_flight, requests, fate)
