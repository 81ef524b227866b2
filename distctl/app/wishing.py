"""The spec, the record and a look at the cluster, worked out into what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distctl.cluster.record import Record, Replica
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Snapshot
from distctl.policy.placement import Placement
from distctl.policy.wish import Wish, wanted_placement

if TYPE_CHECKING:
    from distctl.app.session import Session


def wish_of(session: Session, record: Record, snapshot: Snapshot, *, prune: bool = False) -> Wish:
    """Everything that is wanted, digests of content, start scripts and routers included."""
    spec = session.spec
    counts, placement = wanted_placement(spec, record, snapshot)
    contents = {model.name: session.content(model.name) for model in spec.models}
    runtimes = {
        node.name: session.runtime(node, snapshot.nodes[node.name].facts)
        for node in spec.nodes
        if node.servers and not node.external and _reachable(snapshot, node.name)
    }
    wish = Wish(
        spec=spec,
        counts=counts,
        placement=placement,
        contents=contents,
        runtimes=runtimes,
        structures={
            router: session.structure(_as_wanted(record, placement), router) for router in spec.router_ids
        },
        leaving=session.leaving(record),
        prune=prune,
    )
    return session.with_scripts(wish, snapshot)


def _reachable(snapshot: Snapshot, node: str) -> bool:
    return node in snapshot.nodes and snapshot.nodes[node].reachable


def _as_wanted(record: Record, placement: Placement) -> Record:
    """The record with every wanted replica in it: pools and slots of a router follow from that."""
    from dataclasses import replace

    placed = {(r.server, r.model) for r in record.replicas}
    new = {Replica(s, m, slot=SlotState.OFF) for s, m in placement.serving if (s, m) not in placed}
    return replace(record, replicas=record.replicas | new)
