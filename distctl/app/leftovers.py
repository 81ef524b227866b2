"""What left the file and is still there: nodes and servers by the record, routers by older revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from distctl.app.documents import node_from, routers_from
from distctl.cluster.record import Record, Revision
from distctl.cluster.spec import Node, RouterSpec, Server, Spec
from distctl.config.values import LOCAL


class Past(Protocol):
    """What a store remembers of older versions of the file."""

    def history(self, *, limit: int = 100) -> Sequence[Revision]:
        """The newest revisions of the spec, oldest first."""


def left_nodes(spec: Spec, record: Record | None) -> tuple[Node, ...]:
    """Nodes that the record knows and the file does not have any more."""
    named = {node.name for node in spec.nodes} | {LOCAL}
    known = record.known if record else {}
    return tuple(node_from(known[name].document) for name in sorted(known) if name not in named)


def left_servers(spec: Spec, record: Record | None) -> tuple[Server, ...]:
    """Servers that the record knows on nodes of the file which do not have them any more."""
    known = record.known if record else {}
    return tuple(
        server
        for node in spec.nodes
        if node.name in known and not node.external
        for server in node_from(known[node.name].document).servers
        if server.id not in {ours.id for ours in node.servers}
    )


def with_servers(node: Node, more: Sequence[Server]) -> Node:
    """A node with those of some servers that are its own."""
    own = tuple(server for server in more if server.id.node == node.name)
    return replace(node, servers=(*node.servers, *own)) if own else node


def with_left_routers(spec: Spec, record: Record, past: Past) -> Spec:
    """The spec with every router that still runs, on each place where it does.

    Settings come from the file where it still has the router on another place, else from the newest revision
    that had it. A router of which no revision knows anything is left out: nobody can say how it was made.
    """
    left = sorted(record.routers - set(spec.router_ids))
    if not left:
        return spec
    known = {router.name: router for router in _of_revisions(past)} | {r.name: r for r in spec.routers}
    wanted = {router.name: router for router in spec.routers}
    for router in left:
        if router.router in known:
            found = wanted.get(router.router) or replace(known[router.router], on=())
            wanted[router.router] = replace(found, on=(*found.on, router.place))
    return replace(spec, routers=tuple(wanted.values()))


def _of_revisions(past: Past) -> list[RouterSpec]:
    """Every router that some revision has, older versions of one first."""
    return [router for revision in past.history() for router in routers_from(revision.document)]
