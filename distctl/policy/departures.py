"""What is not wanted any more: drained first, once every replacement has joined, and only then taken away."""

from __future__ import annotations

from collections.abc import Sequence

from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import NodeSight
from distctl.cluster.spec import Node, Server, ServerId
from distctl.policy.operations import (
    CloseSlots,
    Leave,
    RemoveNode,
    RemoveServers,
    Sign,
    StopServer,
    UnloadReplica,
)
from distctl.policy.placement import Place
from distctl.policy.work import Work


def depart(work: Work, node: Node) -> None:
    """Plan everything that goes from a node of the file."""
    sight = work.snapshot.nodes.get(node.name)
    reachable = sight is not None and sight.reachable
    for server in node.servers:
        stopping = sight is not None and work.stopped(node.name) and _runs(sight, server)
        drained = _rest(work, server.id, waited_for=stopping or node.name in work.wish.awaited)
        if stopping:
            work.draft.add(StopServer(server.id, Sign.UPDATE), f"{node.name} is to stand still", drained)
        if server.id in work.wish.gone:
            _close(work, server.id)
            continue
        for model in work.unwanted(server):
            if not work.closed((server.id, model)) and work.held(server.id, (model,)):
                continue
            if node.external:
                _leave(work, (server.id, model), "it does not answer there, or is not wanted")
            elif reachable:
                _unload(work, server.id, model)


def _runs(sight: NodeSight, server: Server) -> bool:
    unit = sight.units.get(f"server-{server.id.server}")
    return unit is not None and unit.process is not None


def _rest(work: Work, server: ServerId, *, waited_for: bool) -> set[int]:
    """Take a draining node's server out of use; its models stay placed for the day it comes back."""
    models = tuple(
        model
        for model in work.wish.models_of(server)
        if (server, model) in work.wish.placement.resting and _in_use(work, (server, model), waited_for)
    )
    if models:
        step = Leave(server, models, rest=True)
        return {work.draft.add(step, f"{server.node} is draining", work.before_leaving(models))}
    return set()


def _in_use(work: Work, place: Place, waited_for: bool) -> bool:
    """Whether a resting replica is to be drained: it takes requests, or somebody waits for its last one."""
    slot = work.slot(place)
    return slot is SlotState.READY or (waited_for and slot is SlotState.DRAIN)


def _unload(work: Work, server: ServerId, model: str) -> None:
    known = any(m.name == model for m in work.wish.spec.models)
    why = "fewer replicas are wanted here" if known else "the model left the file"
    needs = _leave(work, (server, model), why)
    if known or work.wish.prune:
        work.departed.add(work.draft.add(UnloadReplica(server, model), why, needs))
        work.unloaded.add((server, model))
    else:
        work.draft.note(f"{model} left the file: it stays loaded in {server} until `up --prune`")


def _close(work: Work, server: ServerId) -> None:
    """Let no router send anything to a server that nobody reaches, once others have joined in its place."""
    wanted = work.wish.models_of(server)
    models = tuple(model for model in work.open_on(server) if model not in wanted)
    if models and not work.held(server, models):
        why = "nobody has reached it for long, and others serve what it had"
        work.draft.add(CloseSlots(server, models), why, work.before_leaving(models))


def _leave(work: Work, place: Place, why: str) -> set[int]:
    """Drain a slot once every replacement has joined; nothing to do where it takes no request."""
    server, model = place
    if server in work.restarted:
        return {work.restarted[server]}
    if work.closed(place):
        return set()
    return {work.draft.add(Leave(server, (model,)), why, work.before_leaving((model,)))}


def retire(work: Work, node: Node) -> None:
    """Drain the servers that left a node which stays, and with `prune` stop and remove them."""
    servers = [server.id for server in work.wish.retired if server.id.node == node.name]
    why = "the server left the file"
    drained = _drain_all(work, servers, why) if servers else None
    if drained is None:
        return
    if not work.wish.prune:
        for server in servers:
            work.draft.note(f"{server} left the file: it runs on, drained, until `up --prune`")
    elif work.reached(node.name) is not None:
        needs = drained | work.closing
        stopped = {work.draft.add(StopServer(server), why, needs) for server in servers}
        work.departed.add(work.draft.add(RemoveServers(node.name, tuple(servers)), why, stopped | needs))


def _drain_all(work: Work, servers: Sequence[ServerId], why: str) -> set[int] | None:
    """Drain servers once every replacement has joined; None when clients would lose something by it."""
    in_use = {server: models for server in servers if (models := work.open_on(server))}
    if any(work.held(server, models) for server, models in in_use.items()):
        return None
    return {
        work.draft.add(Leave(server, models), why, work.before_leaving(models))
        for server, models in in_use.items()
    }


def leave_with_node(work: Work, node: Node) -> None:
    """Drain what is on a node that left the file, and with `prune` take everything off it."""
    why = "the node left the file"
    drained = _drain_all(work, sorted(server for server in work.placed if server.node == node.name), why)
    if drained is None:
        return
    if not work.wish.prune:
        work.draft.note(f"{node.name} left the file: what is there runs on, drained, until `up --prune`")
    elif node.external or work.reached(node.name) is None:
        return
    else:
        needs = drained | work.closing
        stopped = {work.draft.add(StopServer(server.id), why, needs) for server in node.servers}
        work.departed.add(work.draft.add(RemoveNode(node.name), why, stopped | needs))
