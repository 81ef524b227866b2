"""Looking at a cluster, and what a look teaches the record: the facts of its nodes and their devices."""

from __future__ import annotations

from distctl.app.session import Session
from distctl.cluster.record import Change, Record, SetFacts
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node
from distctl.control.observe import observe
from distctl.policy.devices import with_devices, with_servers
from distctl.policy.health import remembered
from distctl.policy.stuck import MUTE
from distctl.policy.weights import measured_of


def look(session: Session, record: Record, *, deep: bool = True) -> Snapshot:
    """Look at everything that the inventory and the record name, but at nodes that are off on purpose."""
    there = (node for node in session.whole(record) if node.name not in record.shut)
    nodes = (*there, *(session.own_place() if deep else ()))
    routers = {*session.spec.router_ids, *record.routers}
    sharing = [router for router in session.routed.router_ids if session.routed.router(router.router).shared]
    left = {node.name for node in session.leaving(record)}  # their servers are those that the record knows

    def divide(node: Node, sight: NodeSight) -> Node:
        return node if node.name in left else with_servers(node, learnt_facts(record, sight))

    doubted = {server for server, health in record.health.items() if remembered(health).kind in MUTE}
    return observe(
        session.world, nodes, sorted(routers), deep=deep, divide=divide, shared=sharing, doubted=doubted
    )


def new_facts(record: Record, snapshot: Snapshot) -> list[Change]:
    """What was read from nodes and was not known so."""
    sights = [sight for sight in snapshot.nodes.values() if sight.reachable]
    found = [SetFacts(sight.name, learnt_facts(record, sight)) for sight in sights]
    return [fact for fact in found if record.facts.get(fact.node) != fact.facts]


def learnt_facts(record: Record, sight: NodeSight) -> dict[str, str]:
    """A node's facts after a look: devices keep their numbers, and what was measured from there is kept."""
    known = record.facts.get(sight.name, {})
    if not sight.reachable:
        return dict(known)
    return {**measured_of(known), **with_devices(known, sight.facts)}
