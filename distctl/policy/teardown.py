"""The plan of `down`: routers first, since then nothing is sent any more; servers and folders after them."""

from __future__ import annotations

from collections.abc import Iterable

from distctl.cluster.record import Record
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node, ServerId
from distctl.policy.operations import ReleaseAddress, RemoveNode, StopRouter, StopServer
from distctl.policy.plan import Draft, Plan, Skip
from distctl.policy.sharing import carried
from distctl.policy.wish import Wish

WHY = "the cluster is taken down"


def teardown(wish: Wish, record: Record, snapshot: Snapshot, *, keep_models: bool = False) -> Plan:
    """Everything that distctl put anywhere, in the order in which it can go without a lost request."""
    draft = Draft()
    stopped = set()
    wanted = set(wish.spec.router_ids)
    released = {router: {draft.add(ReleaseAddress(router), WHY)} for router in carried(snapshot)}
    stopped |= {number for numbers in released.values() for number in numbers}
    for router, sight in sorted(snapshot.routers.items()):
        if sight.error:
            draft.skipped.append(Skip(str(router), sight.error))
        elif sight.running or router in record.routers or router not in wanted:
            stopped.add(draft.add(StopRouter(router, hasty=True), WHY, released.get(router, set())))
    for node in (*wish.spec.nodes, *wish.leaving):
        if not node.external:
            retired = [server.id for server in wish.retired if server.id.node == node.name]
            servers = [*(server.id for server in node.servers), *retired]
            if node.name in record.shut:
                _shut(draft, node, record)
                continue
            _node(draft, node, servers, snapshot.nodes.get(node.name), stopped, keep_models)
    named = {node.name for node in (*wish.spec.nodes, *wish.leaving)}
    for place, seen in sorted(snapshot.nodes.items()):
        if place not in named and _ours(
            seen, keep_models
        ):  # this machine, which carries a router and is no node
            draft.add(RemoveNode(place), WHY, set(stopped))
    return draft.plan()


def _ours(sight: NodeSight, keep_models: bool) -> bool:
    """Whether anything of ours that is to go is on a node that was reached."""
    found = (sight.owner, sight.units, sight.runtimes, sight.environments, sight.models and not keep_models)
    return sight.reachable and any(found)


def _shut(draft: Draft, node: Node, record: Record) -> None:
    """One that is off on purpose stays so: what lies on its disk stays too, and is named."""
    if node.name in record.known:
        why = f"{record.powers[node.name].said}; what distctl put there stays"
        draft.skipped.append(
            Skip(node.name, why, f"`distctl power on {node.name}`, and `distctl down` again once it is up")
        )


def _node(
    draft: Draft,
    node: Node,
    servers: Iterable[ServerId],
    sight: NodeSight | None,
    routers: set[int],
    keep_models: bool,
) -> None:
    if sight is None or not sight.reachable:
        draft.skipped.append(Skip(node.name, sight.error if sight else "it was not looked at"))
        return
    if not _ours(sight, keep_models):
        return
    needs = set(routers)
    for server in servers:
        if f"server-{server.server}" in sight.units:
            needs.add(draft.add(StopServer(server), WHY, set(routers)))
    draft.add(RemoveNode(node.name, keep_models), WHY, needs)
