"""From what is wanted and what was seen to a plan: the one place where changes are decided.

The order of steps is the promise to clients: a router knows its pools before anything joins, a replica is
ready before it joins, replacements join before anything leaves, and nothing is stopped or unloaded before it
was drained. Where two servers would be taken out of use, one comes after the other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, ServerSight, Snapshot, UnitSight
from distctl.cluster.spec import Node, RouterId, Server, ServerId
from distctl.policy.operations import (
    ConfigureServer,
    Draft,
    InstallRuntime,
    Join,
    Leave,
    LoadReplica,
    Plan,
    PushModel,
    RemoveNode,
    SetRouterUp,
    Sign,
    Skip,
    StartServer,
    StopRouter,
    StopServer,
    UnloadReplica,
)
from distctl.policy.placement import Place
from distctl.policy.wish import Wish

GONE = (ModelState.ABSENT, ModelState.UNAVAILABLE)


@dataclass(slots=True)
class Work:
    """What the passes of one diff share: the draft so far, and who must wait for whom."""

    wish: Wish
    record: Record
    snapshot: Snapshot
    draft: Draft = field(default_factory=Draft)
    routers: set[int] = field(default_factory=set)  # steps that make routers know every pool
    joins: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by model
    last_reload: dict[str, int] = field(default_factory=dict)  # by model
    last_restart: set[int] = field(default_factory=set)

    def slot(self, place: Place) -> SlotState:
        """What the record wants a slot to be."""
        replica = self.record.replica(*place)
        return replica.slot if replica else SlotState.OFF

    def serving_elsewhere(self, model: str, server: ServerId) -> bool:
        """Whether another server takes requests for a model now."""
        return any(
            r.model == model and r.server != server and r.slot is SlotState.READY
            for r in self.record.replicas
        )


def diff(wish: Wish, record: Record, snapshot: Snapshot) -> Plan:
    """The plan that leads from what was seen to what is wanted; empty when that is the same."""
    work = Work(wish, record, snapshot)
    for router in wish.spec.router_ids:
        _router(work, router)
    for node in wish.spec.nodes:
        _node(work, node)
    for node in wish.spec.nodes:
        _departures(work, node)
    for node in wish.leaving:
        _left_the_file(work, node)
    for router in sorted(record.routers - set(wish.spec.router_ids)):
        _leftover_router(work, router)
    for shortage in wish.placement.shortages:
        work.draft.notes.append(
            f"{shortage.model}: {shortage.placed} of {shortage.wanted} replicas fit ({shortage.why})"
        )
    return work.draft.plan()


def _unreachable(work: Work, node: str) -> NodeSight | None:
    """What was seen of a node, or None after noting that it is left alone."""
    sight = work.snapshot.nodes.get(node)
    if sight is None or not sight.reachable:
        work.draft.skipped.append(Skip(node, sight.error if sight else "it was not looked at"))
        return None
    return sight


# --- routers ------------------------------------------------------------------------------------------


def _router(work: Work, router: RouterId) -> None:
    sight = work.snapshot.routers.get(router)
    if sight is not None and sight.error:
        work.draft.skipped.append(Skip(str(router), sight.error))
        return
    if sight is None or not sight.running:
        work.routers.add(work.draft.add(SetRouterUp(router), "it does not run"))
    elif sight.structure != work.wish.structures.get(router, sight.structure):
        step = SetRouterUp(router, Sign.UPDATE)
        work.routers.add(work.draft.add(step, "its pools, servers or settings changed: one reload"))
    elif stray := _strays(work, router):
        work.routers.add(work.draft.add(SetRouterUp(router, Sign.UPDATE), stray))


def _strays(work: Work, router: RouterId) -> str:
    """Why the states of a router's slots must be set again, "" when they are what the record wants."""
    for model, server, seen in work.snapshot.routers[router].slots:
        wanted = work.slot((server, model))
        if seen.state is not wanted:
            return f"slot {server.slot} of {model} is {seen.state.value}, not {wanted.value}"
    return ""


def _leftover_router(work: Work, router: RouterId) -> None:
    if work.wish.prune:
        work.draft.add(StopRouter(router), "it left the file")
    else:
        work.draft.notes.append(f"router {router} left the file: it runs on until `up --prune`")


# --- what is wanted on a node --------------------------------------------------------------------------


def _node(work: Work, node: Node) -> None:
    if node.external:
        for server in node.servers:
            for model in work.wish.models_of(server.id):
                _slot(work, (server.id, model), set())
        return
    if not node.servers:
        return
    sight = _unreachable(work, node.name)
    if sight is None:
        return
    ready = _contents(work, node, sight)
    for server in node.servers:
        _server(work, server, sight, ready)


def _contents(work: Work, node: Node, sight: NodeSight) -> dict[str, set[int]]:
    """Bring runtime and models there; what comes back is the steps to wait for, by model, "" for all."""
    ready: dict[str, set[int]] = defaultdict(set)
    runtime = work.wish.runtimes.get(node.name, "")
    if runtime and runtime not in sight.runtimes:
        ready[""].add(work.draft.add(InstallRuntime(node.name, runtime), "it is not on the node"))
    for model in sorted({m for server in node.servers for m in work.wish.models_of(server.id)}):
        digest = work.wish.contents.get(model, "")
        if digest and digest not in sight.models.get(model, frozenset()):
            known = bool(sight.models.get(model))
            step = PushModel(node.name, model, digest, Sign.UPDATE if known else Sign.ADD)
            ready[model].add(work.draft.add(step, "its files changed" if known else "it is not on the node"))
    return ready


def _server(work: Work, server: Server, sight: NodeSight, ready: dict[str, set[int]]) -> None:
    unit = sight.units.get(f"server-{server.id.server}")
    models = work.wish.models_of(server.id)
    before = set(ready[""]).union(*(ready[model] for model in models))
    if unit is None or unit.process is None:
        step = work.draft.add(StartServer(server.id, models), _why_not_running(unit), before)
        for model in models:
            _slot(work, (server.id, model), {step})
    elif unit.settings != work.wish.settings.get(server.id, unit.settings):
        _restart(work, server.id, models, before)
    else:
        _replicas(work, server, sight, ready, unit)


def _why_not_running(unit: UnitSight | None) -> str:
    return "it was never started" if unit is None else "it does not run"


def _restart(work: Work, server: ServerId, models: tuple[str, ...], before: set[int]) -> None:
    """Drain, stop, start: one server after the other, so that the rest serves meanwhile."""
    serving = tuple(m for m in models if work.slot((server, m)) is SlotState.READY)
    work.draft.interrupts |= {m for m in serving if not work.serving_elsewhere(m, server)}
    needs = before | work.last_restart | work.routers
    why = "its start settings changed"
    if serving:
        needs = {work.draft.add(Leave(server, serving, sign=Sign.UPDATE), why, needs)}
    stopped = work.draft.add(StopServer(server, Sign.UPDATE), why, needs)
    started = work.draft.add(StartServer(server, models, Sign.UPDATE), why, {stopped})
    work.last_restart = {started}
    for model in models:
        joined = _slot(work, (server, model), {started}, again=model in serving)
        work.last_restart |= joined


def _replicas(
    work: Work, server: Server, sight: NodeSight, ready: dict[str, set[int]], unit: UnitSight
) -> None:
    touched = False
    seen = work.snapshot.servers.get(server.id)
    for model in work.wish.models_of(server.id):
        step = _load(work, server, model, sight, seen, ready[""] | ready[model])
        touched = touched or bool(step)
        _slot(work, (server.id, model), step)
    script = work.wish.scripts.get(server.id, unit.run_digest)
    if script != unit.run_digest and not touched and not _unwanted(work, server):
        work.draft.add(ConfigureServer(server.id), "its start script names other models", ready[""])


def _load(
    work: Work,
    server: Server,
    model: str,
    sight: NodeSight,
    seen: ServerSight | None,
    before: set[int],
) -> set[int]:
    replica = seen.replicas.get(model) if seen else None
    state = replica.state if replica else ModelState.ABSENT
    digest = work.wish.contents.get(model, "")
    linked = sight.links.get((server.id.server, model), "")
    if state is ModelState.READY and linked == digest:
        return set()
    if state is ModelState.READY:
        needs = before | ({work.last_reload[model]} if model in work.last_reload else set())
        why = f"its files changed: {linked or 'none'} to {digest or 'the path'}"
        step = work.draft.add(LoadReplica(server.id, model, digest, Sign.UPDATE), why, needs)
        work.last_reload[model] = step
        return {step}
    reason = f": {replica.reason}" if replica and replica.reason else ""
    why = f"the server says {state.value}{reason}"
    return {work.draft.add(LoadReplica(server.id, model, digest), why, before)}


def _slot(work: Work, place: Place, before: set[int], *, again: bool = False) -> set[int]:
    """Route to a replica unless its node drains. Gives back the steps it added."""
    server, model = place
    if place in work.wish.placement.resting:
        return set()
    if work.slot(place) is SlotState.READY and not again:
        return set()
    step = work.draft.add(Join(server, model), "a ready replica takes requests", before | work.routers)
    work.joins[model].add(step)
    return {step}


# --- what is not wanted any more ------------------------------------------------------------------------


def _unwanted(work: Work, server: Server) -> list[str]:
    """Models that a server has, or that the record places there, and that nobody wants there."""
    wanted = set(work.wish.models_of(server.id))
    seen = work.snapshot.servers.get(server.id)
    loaded = {m for m, r in seen.replicas.items() if r.state not in GONE} if seen else set()
    placed = {r.model for r in work.record.replicas if r.server == server.id}
    return sorted((loaded | placed) - wanted)


def _departures(work: Work, node: Node) -> None:
    sight = work.snapshot.nodes.get(node.name)
    for server in node.servers:
        _rest(work, server.id)
        for model in _unwanted(work, server):
            if node.external:
                _leave(work, (server.id, model), "it is not in the file")
            elif sight is not None and sight.reachable:
                _depart(work, server, model)


def _rest(work: Work, server: ServerId) -> None:
    """Take a draining node's server out of use; its models stay loaded for the day it comes back."""
    places = [p for p in work.wish.placement.resting if p[0] == server]
    models = tuple(sorted(model for _, model in places if work.slot((server, model)) is SlotState.READY))
    if models:
        needs = work.routers.union(*(work.joins[model] for model in models))
        work.draft.add(Leave(server, models, rest=True), f"{server.node} is draining", needs)


def _depart(work: Work, server: Server, model: str) -> None:
    known = any(m.name == model for m in work.wish.spec.models)
    why = "fewer replicas are wanted here" if known else "the model left the file"
    needs = _leave(work, (server.id, model), why)
    if known or work.wish.prune:
        work.draft.add(UnloadReplica(server.id, model), why, needs)
    else:
        work.draft.notes.append(f"{model} left the file: it stays loaded in {server.id} until `up --prune`")


def _leave(work: Work, place: Place, why: str) -> set[int]:
    """Drain a slot once every replacement has joined; nothing to do where it takes no request."""
    server, model = place
    if work.slot(place) is SlotState.OFF and not _routed(work, place):
        return set()
    return {work.draft.add(Leave(server, (model,)), why, work.joins[model] | work.routers)}


def _routed(work: Work, place: Place) -> bool:
    server, model = place
    sights = [router.slot(model, server) for router in work.snapshot.routers.values()]
    return any(sight is not None and sight.state is not SlotState.OFF for sight in sights)


def _left_the_file(work: Work, node: Node) -> None:
    placed = {r.server: set[str]() for r in work.record.replicas if r.server.node == node.name}
    for replica in work.record.replicas:
        if replica.server.node == node.name and replica.slot is not SlotState.OFF:
            placed[replica.server].add(replica.model)
    needs: set[int] = set()
    for server, models in sorted(placed.items()):
        if models:
            before = work.routers.union(*(work.joins[m] for m in models))
            step = Leave(server, tuple(sorted(models)))
            needs.add(work.draft.add(step, "the node left the file", before))
    if not work.wish.prune:
        work.draft.notes.append(f"{node.name} left the file: its servers run on, drained, until `up --prune`")
        return
    if node.external or _unreachable(work, node.name) is None:
        return
    stopped = {
        work.draft.add(StopServer(server.id), "the node left the file", needs) for server in node.servers
    }
    work.draft.add(RemoveNode(node.name), "the node left the file", stopped | needs)
