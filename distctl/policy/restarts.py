"""Servers that must start again: drained, stopped, started, one after the other. The rest serves."""

from __future__ import annotations

from collections.abc import Iterable

from distctl.cluster.spec import ServerId
from distctl.policy.arrivals import Outdated, route
from distctl.policy.operations import Leave, Sign, StartServer, StopServer
from distctl.policy.stuck import PATIENCE
from distctl.policy.work import Work


def restart(work: Work, outdated: Iterable[Outdated]) -> None:
    """Plan the restarts. Each waits until the one before takes requests again."""
    last: set[int] = set()
    for found in outdated:
        server = found.server.id
        if work.held(server, work.open_on(server)):
            work.kept_running.add(server.node)
        else:
            last = _restart(work, found, last | found.needs)


def _restart(work: Work, found: Outdated, needs: set[int]) -> set[int]:
    server, why = found.server.id, found.why
    models = work.wish.models_of(server)
    was_open = work.open_on(server)
    work.draft.interrupts |= {model for model in was_open if _alone(work, server, model)}
    needs |= work.before_leaving(was_open)
    if was_open:
        leave = Leave(server, was_open, sign=Sign.UPDATE, cut_after=PATIENCE if found.fails else None)
        needs = {work.draft.add(leave, why, needs)}
    stopped = work.draft.add(StopServer(server, Sign.UPDATE), why, needs)
    started = work.draft.add(StartServer(server, models, Sign.UPDATE, stopped=True), why, {stopped})
    work.restarted[server] = started
    return {started}.union(*(route(work, (server, model), {started}, again=True) for model in models))


def _alone(work: Work, server: ServerId, model: str) -> bool:
    """Whether nobody else serves a model while a server is away, and none joins before."""
    return work.wish.wants(model) and work.serving.get(model) == {server} and not work.joins[model]
