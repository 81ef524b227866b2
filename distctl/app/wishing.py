"""The spec, the record and a look at the cluster, worked out into what is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from distctl.app.leftovers import left_servers
from distctl.app.pins import pins
from distctl.cluster.record import Record
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node
from distctl.errors import NodeError
from distctl.policy.devices import all_lost, without_device
from distctl.policy.health import gone_servers
from distctl.policy.lives import fates
from distctl.policy.wish import Wish, growing, settled, wanted_placement

if TYPE_CHECKING:
    from distctl.app.session import Session
    from distctl.config.problems import Problem


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
    spec, routers = session.spec, session.routers
    counts, placement = wanted_placement(spec, record, snapshot)
    session.needs.resolve(record, snapshot)
    contents = {m.name: _content(session, record, m.name) for m in spec.models}
    usable = [n for n in spec.nodes if n.servers and not n.external and _reachable(snapshot, n.name)]
    facts = {node.name: snapshot.nodes[node.name].facts for node in usable}
    meanwhile = growing(record, placement)
    in_the_end = settled(spec, record, placement, prune=prune)
    wish = Wish(
        spec=spec,
        counts=counts,
        placement=placement,
        contents=contents,
        runtimes={node.name: session.contents.runtime(node, facts[node.name]) for node in usable},
        images=pins(session),
        environments={node.name: session.needs.on(node, facts[node.name]) for node in usable},
        unresolved={model: error.message for model, error in session.needs.unresolved.items()},
        structures={router: routers.structure(meanwhile, router) for router in session.routed.router_ids},
        settled={router: routers.structure(in_the_end, router) for router in session.routed.router_ids},
        configs={router: routers.config_digest(record, router) for router in session.routed.router_ids},
        leaving=session.leaving(record),
        retired=left_servers(spec, record),
        left=tuple(r for r in session.routed.router_ids if r not in spec.router_ids),
        prune=prune,
        awaited=frozenset(awaited),
        attended=session.attended,
        gone=gone_servers(record, snapshot),
        stateful=routers.stateful(record),
        lost=all_lost(spec, record.facts),
        fates=fates(spec, record),
        unread={name: nature.unread for name, nature in routers.natures(record).items() if nature.unread},
    )
    return routers.with_addresses(session.contents.with_scripts(wish, snapshot), record, snapshot)


def _content(session: Session, record: Record, model: str) -> str:
    """The content that is wanted of a model: that of its files here, unless it keeps the one that runs.

    It keeps that while nobody knows what it needs now, and in a session that is `steady` as long as none of
    its replicas has that of the files: then nobody has asked for it yet.
    """
    held = Counter(r.digest for r in record.replicas if r.model == model and r.digest)
    most = max(sorted(held), key=lambda digest: held[digest], default="")
    if most and model in session.needs.unresolved:
        return most
    here = session.contents.content(model)
    return most if most and session.steady and here not in held else here


def unfit(session: Session, snapshot: Snapshot) -> dict[str, NodeError]:
    """Nodes on which no server of ours can be started, and why: `doctor` says what to do about it."""
    from distctl.config.checks import device_port_problems

    found = {}
    clashes = device_port_problems({node.name: node for node in session.spec.nodes}, session.spec.routers)
    for node in session.spec.nodes:
        if node.serves and not node.external and _reachable(snapshot, node.name):
            facts = snapshot.nodes[node.name].facts
            try:
                session.contents.runtime(node, facts)
                _require_devices(node, facts, clashes.get(node.name))
            except NodeError as error:
                found[node.name] = error
    return found


def _require_devices(node: Node, facts: Mapping[str, str], clash: Problem | None) -> None:
    tried = f"find the servers of {node.name}"
    if why := without_device(node, facts):
        hint = f"distctl doctor --limit {node.name}, or write `servers: {{per: node}}` for {node.name}"
        raise NodeError(node.name, tried, why, hint=hint)
    if clash is not None:
        raise NodeError(node.name, tried, clash.message, hint=clash.hint)


def without(snapshot: Snapshot, unfit: Mapping[str, NodeError]) -> Snapshot:
    """The snapshot in which nodes that cannot be used were not seen, so that a plan leaves them alone."""
    blind = {
        name: NodeSight(name, reachable=False, error=error.message, facts=snapshot.nodes[name].facts)
        for name, error in unfit.items()
    }
    return replace(snapshot, nodes={**snapshot.nodes, **blind})


def _reachable(snapshot: Snapshot, node: str) -> bool:
    return node in snapshot.nodes and snapshot.nodes[node].reachable
