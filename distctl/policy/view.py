"""From what is wanted and recorded to the one view that a router is rendered from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from distctl.cluster.record import Record, Replica
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import ModelSpec, Node, RouterId, Server, ServerId, Spec
from distctl.policy.checks import check_times
from distctl.policy.placement import fits

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
) -> RouterView:
    """What a router is to be now.

    `leaving` are servers that left the file, alone or with their node, and still have replicas;
    `round_trip` is the slowest measured one from this router to a server, in milliseconds, None when it was
    not measured; `stateful` names the models whose requests must not be sent twice unless the file says that
    they may.
    """
    wanted = spec.router(router.router)
    servers = (*spec.servers, *leaving)
    placed = {(r.server, r.model): r for r in record.replicas}
    names = sorted({m.name for m in spec.models} | {r.model for r in record.replicas})
    pools = tuple(_pool(spec, name, servers, placed, hosts, stateful) for name in names)
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


def _pool(
    spec: Spec,
    name: str,
    servers: tuple[Server, ...],
    placed: Mapping[tuple[ServerId, str], Replica],
    hosts: Hosts,
    stateful: Collection[str],
) -> Pool:
    model = next((m for m in spec.models if m.name == name), None)
    nodes = {node.name: node for node in spec.nodes}
    slots = tuple(
        _slot(server, placed.get((server.id, name)), hosts)
        for server in servers
        if (server.id, name) in placed or _may_serve(model, nodes.get(server.id.node), server)
    )
    if model is None:
        return Pool(name, slots)
    replay = model.replay == "on" or (model.replay == "auto" and name not in stateful)
    return Pool(name, slots, replay=replay, total_timeout=model.total_timeout)


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
