"""From what is wanted and recorded to the one view that a router is rendered from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from distctl.cluster.record import Record, Replica
from distctl.cluster.router import Pool, RouterView, Sequences, Slot, SlotState
from distctl.cluster.spec import ModelSpec, Node, Policy, RouterId, Server, Spec
from distctl.policy.checks import check_times
from distctl.policy.placement import fits
from distctl.policy.weights import USUAL, weights_of

NO_SEQUENCES: Mapping[str, Sequences] = MappingProxyType({})
Hosts = Mapping[str, str]  # a serve address as written to the IP that a router is told


def router_view(
    spec: Spec,
    record: Record,
    router: RouterId,
    *,
    hosts: Hosts,
    leaving: tuple[Server, ...] = (),
    round_trip: float | None = None,
    stateful: Collection[str] = (),
    sequences: Mapping[str, Sequences] = NO_SEQUENCES,
) -> RouterView:
    """What a router is to be now.

    `leaving` are servers of nodes that left the file and still have replicas; `round_trip` is the slowest
    measured one from this router to a server, in milliseconds, None when it was not measured; `stateful`
    names the models whose requests must not be sent twice unless the file says that they may; `sequences`
    says of those whose configuration names a sequence batcher what a router has to know of it.
    """
    wanted = spec.router(router.router)
    servers = (*spec.servers, *leaving)
    names = sorted({m.name for m in spec.models} | {r.model for r in record.replicas})
    slots_of = {name: _slots(spec, record, name, servers, hosts) for name in names}
    models = {model.name: model for model in spec.models}
    pools = tuple(
        _weighed(_pool(models.get(name), name, slots_of[name], stateful, sequences.get(name)), record)
        for name in names
    )
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
        checks=check_times(round_trip, slots, wanted.checks),
    )


def policy_of(model: ModelSpec, sequences: Sequences | None) -> Policy:
    """How a server is chosen for the model's requests: what the file says, else what its batcher needs."""
    return model.policy or ("least-load" if sequences is None else "sequence")


def _pool(
    model: ModelSpec | None,
    name: str,
    slots: tuple[Slot, ...],
    stateful: Collection[str],
    sequences: Sequences | None,
) -> Pool:
    known = sequences or Sequences()
    if model is None:
        return Pool(name, slots, sequences=known)
    policy = policy_of(model, sequences)
    once = name in stateful or policy == "sequence"
    return Pool(
        model=name,
        slots=slots,
        replay=model.replay == "on" or (model.replay == "auto" and not once),
        policy=policy,
        prefix=model.prefix,
        sequences=known,
        timeouts=model.timeouts,
    )


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
        if (server.id, name) in placed or _may_serve(model, nodes.get(server.id.node))
    )


def _may_serve(model: ModelSpec | None, node: Node | None) -> bool:
    return model is not None and node is not None and fits(model, node)


def _slot(server: Server, replica: Replica | None, hosts: Hosts) -> Slot:
    return Slot(
        server=server.id,
        host=hosts.get(server.host, server.host),
        http_port=server.http_port,
        grpc_port=server.grpc_port,
        state=replica.slot if replica else SlotState.OFF,
    )
