"""Routers that left the file and run on: with the settings they last had they are kept told like the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from distctl.app.documents import routers_from
from distctl.cluster.record import Record, Revision
from distctl.cluster.spec import RouterSpec, Spec


class Past(Protocol):
    """What a store remembers of older versions of the file."""

    def history(self, *, limit: int = 100) -> Sequence[Revision]:
        """The newest revisions of the spec, oldest first."""


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
