"""From what is wanted and recorded to the one view that a router is rendered from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from distctl.cluster.record import Pin, Record, Replica
from distctl.cluster.router import Peer, Pool, RouterView, Sequences, Slot, SlotState, Tls
from distctl.cluster.spec import Admission, Hold, ModelSpec, Node, Policy, RouterId, Server, Spec
from distctl.policy.checks import check_times
from distctl.policy.counts import counts
from distctl.policy.placement import fits
from distctl.policy.weights import USUAL, weights_of

Hosts = Mapping[str, str]  # a serve address as written to the IP that a router is told


@dataclass(frozen=True, slots=True)
class Place:
    """What a router's view needs to know beside spec and record.

    `round_trip` is the slowest measured one from this router to a server, in milliseconds, None when it was
    not measured; `drops_root`: root starts the router there; `tls` is what the files of the spec hold.
    `peers` are all places of the router; `draining`: it is to end.
    """

    round_trip: float | None = None
    drops_root: bool = False
    tls: Tls | None = None
    peers: tuple[Peer, ...] = ()
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Models:
    """What the models' own configuration says.

    Which keep state, how many requests one server can use at once, and what a router has to know of those
    that have sequences.
    """

    stateful: Collection[str] = ()
    concurrency: Mapping[str, int] = field(default_factory=dict)
    sequences: Mapping[str, Sequences] = field(default_factory=dict)


def router_view(
    spec: Spec,
    record: Record,
    router: RouterId,
    *,
    hosts: Hosts,
    leaving: tuple[Server, ...] = (),
    place: Place = Place(),
    models: Models = Models(),
) -> RouterView:
    """What a router is to be now.

    `leaving` are servers of nodes that left the file and still have replicas. Requests of models that keep
    state are not sent twice unless the file says that they may.
    """
    wanted = spec.router(router.router)
    servers = (*spec.servers, *leaving)
    names = sorted({m.name for m in spec.models} | {r.model for r in record.replicas})
    specs = {model.name: model for model in spec.models}
    slots_of = {name: _slots(spec, record, name, servers, hosts) for name in names}
    made = (_pool(specs.get(name), name, slots_of[name], models, record.pins.get(name)) for name in names)
    pools = tuple(_weighed(pool, record) for pool in made)
    slots = sum(len(pool.slots) for pool in pools)
    return RouterView(
        id=router,
        cluster=spec.cluster,
        bind=wanted.address,
        http_port=wanted.http_port,
        grpc_port=wanted.grpc_port,
        metrics_port=wanted.metrics_port,
        pools=pools,
        replay_limit=wanted.replay_limit,
        checks=check_times(place.round_trip, slots, wanted.checks),
        tls=place.tls,
        keys=tuple(sorted(record.keys.values())) if wanted.auth == "keys" else None,
        limits=wanted.limits,
        log=wanted.log,
        drops_root=place.drops_root,
        peers=place.peers,
        draining=place.draining,
        needed=_needed(spec, record, pools) if wanted.ready == "all" else (),
    )


def _needed(spec: Spec, record: Record, pools: tuple[Pool, ...]) -> tuple[str, ...]:
    """The models that a ready router must have a server for: those that hold wait for one, as they should."""
    holding = {pool.model for pool in pools if pool.hold}
    wanted = counts(spec, record.pins, record.sized)
    return tuple(sorted(name for name, count in wanted.items() if count.number and name not in holding))


def policy_of(model: ModelSpec, sequences: Sequences | None) -> Policy:
    """How a server is chosen for the model's requests: what the file says, else what its batcher needs."""
    return model.policy or ("least-load" if sequences is None else "sequence")


def _pool(
    model: ModelSpec | None, name: str, slots: tuple[Slot, ...], models: Models, pin: Pin | None
) -> Pool:
    sequences = models.sequences.get(name)
    known = sequences or Sequences()
    if model is None:
        return Pool(name, slots, sequences=known)
    policy = policy_of(model, sequences)
    once = name in models.stateful or policy == "sequence"
    return Pool(
        model=name,
        slots=slots,
        replay=model.replay == "on" or (model.replay == "auto" and not once),
        policy=policy,
        prefix=model.prefix,
        sequences=known,
        timeouts=model.timeouts,
        admission=_admission(model, models),
        hold=_hold(model, pin),
    )


def _hold(model: ModelSpec, pin: Pin | None) -> Hold | None:
    """Requests wait for a model that sleeps, not for one that an operator keeps at 0."""
    scale = model.autoscale
    if scale is None or not scale.sleeps or (pin is not None and pin.count == 0):
        return None
    return scale.hold


def _weighed(pool: Pool, record: Record) -> Pool:
    """The pool with the weights that were measured, where servers are chosen by load."""
    if pool.policy != "least-load":
        return pool
    weights = weights_of(record, pool.model)
    slots = (replace(slot, weight=weights.get(slot.server, USUAL)) for slot in pool.slots)
    return replace(pool, slots=tuple(slots))


def _slots(
    spec: Spec, record: Record, name: str, servers: tuple[Server, ...], hosts: Hosts
) -> tuple[Slot, ...]:
    placed = record.places
    model = next((m for m in spec.models if m.name == name), None)
    nodes = {node.name: node for node in spec.nodes}
    return tuple(
        _slot(server, placed.get((server.id, name)), hosts)
        for server in servers
        if (server.id, name) in placed or _may_serve(model, nodes.get(server.id.node), server)
    )


def _admission(model: ModelSpec, models: Models) -> Admission | None:
    said = model.admission
    if said is None or said.concurrency:
        return said
    return replace(said, concurrency=models.concurrency.get(model.name, 1))


def _may_serve(model: ModelSpec | None, node: Node | None, server: Server) -> bool:
    return model is not None and node is not None and server in node.servers and fits(model, node)


def _slot(server: Server, replica: Replica | None, hosts: Hosts) -> Slot:
    return Slot(
        server=server.id,
        host=hosts.get(server.host, server.host),
        http_port=server.http_port,
        grpc_port=server.grpc_port,
        state=replica.slot if replica else SlotState.OFF,
    )
