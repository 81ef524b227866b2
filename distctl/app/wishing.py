"""The spec, the record and a look at the cluster, worked out into what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from distctl.app.pins import pins
from distctl.cluster.record import Record
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.errors import NodeError
from distctl.policy.wish import Wish, growing, settled, wanted_placement

if TYPE_CHECKING:
    from distctl.app.session import Session


def wish_of(
    session: Session,
    record: Record,
    snapshot: Snapshot,
    *,
    prune: bool = False,
    awaited: Iterable[str] = (),
) -> Wish:
    """Everything that is wanted, digests of content, start scripts and routers included.

    `awaited` are draining nodes whose last request somebody waits for.
    """
    spec = session.spec
    counts, placement = wanted_placement(spec, record, snapshot)
    contents = {model.name: session.content(model.name) for model in spec.models}
    runtimes = {
        node.name: session.runtime(node, snapshot.nodes[node.name].facts)
        for node in spec.nodes
        if node.servers and not node.external and _reachable(snapshot, node.name)
    }
    meanwhile = growing(record, placement)
    in_the_end = settled(spec, record, placement, prune=prune)
    wish = Wish(
        spec=spec,
        counts=counts,
        placement=placement,
        contents=contents,
        runtimes=runtimes,
        images=pins(session),
        structures={router: session.structure(meanwhile, router) for router in spec.router_ids},
        settled={router: session.structure(in_the_end, router) for router in spec.router_ids},
        leaving=session.leaving(record),
        prune=prune,
        awaited=frozenset(awaited),
        stateful=session.stateful,
    )
    return session.with_scripts(wish, snapshot)


def unfit(session: Session, snapshot: Snapshot) -> dict[str, NodeError]:
    """Nodes on which no server of ours can be started, and why: `doctor` says what to do about it."""
    found = {}
    for node in session.spec.nodes:
        if node.servers and not node.external and _reachable(snapshot, node.name):
            try:
                session.runtime(node, snapshot.nodes[node.name].facts)
            except NodeError as error:
                found[node.name] = error
    return found


def without(snapshot: Snapshot, unfit: Mapping[str, NodeError]) -> Snapshot:
    """The snapshot in which nodes that cannot be used were not seen, so that a plan leaves them alone."""
    blind = {
        name: NodeSight(name, reachable=False, error=error.message, facts=snapshot.nodes[name].facts)
        for name, error in unfit.items()
    }
    return replace(snapshot, nodes={**snapshot.nodes, **blind})


def _reachable(snapshot: Snapshot, node: str) -> bool:
    return node in snapshot.nodes and snapshot.nodes[node].reachable
