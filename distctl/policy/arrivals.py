"""What is wanted on a node and is not there yet: contents, servers, replicas, and requests sent to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from distctl.cluster.image import Pinned
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, ReplicaSight, ServerSight, UnitSight
from distctl.cluster.spec import Node, Server, ServerId
from distctl.policy.images import FACT, given_fact
from distctl.policy.operations import (
    ConfigureServer,
    InstallEnvironment,
    InstallRuntime,
    Join,
    KillServer,
    Leave,
    LoadReplica,
    PullImage,
    PushModel,
    Sign,
    StartServer,
)
from distctl.policy.placement import Place
from distctl.policy.plan import Skip
from distctl.policy.stuck import PATIENCE, fails, stuck
from distctl.policy.symptoms import Kind
from distctl.policy.work import Work


@dataclass(frozen=True, slots=True)
class Outdated:
    """A server that must start again, the steps to wait for, and why.

    In one that `fails` nobody waits long for what is in flight.
    """

    server: Server
    needs: frozenset[int]
    why: str = "its start settings changed"
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What the steps of one node stand on: what was seen there, and by model the contents to wait for."""

    sight: NodeSight
    runtime: frozenset[int]
    contents: dict[str, set[int]]

    def before(self, *models: str) -> set[int]:
        """The steps that bring the runtime and some models to the node."""
        return set(self.runtime).union(*(self.contents[model] for model in models))


def arrive(work: Work, node: Node) -> list[Outdated]:
    """Plan everything that comes to a node; what comes back are the servers that must start again."""
    if node.external:
        for server in node.servers:
            for model in work.wish.models_of(server.id):
                route(work, (server.id, model), set())
        return []
    idle = work.stopped(node.name) or node.name in work.record.shut
    sight = work.reached(node.name) if node.serves and not idle else None
    if sight is None:
        return []
    ground = _contents(work, node, sight)
    return [found for server in node.servers if (found := _server(work, server, ground))]


def _contents(work: Work, node: Node, sight: NodeSight) -> Ground:
    """Bring runtime or image, environments and models there."""
    installed = _runtime(work, node, sight)
    pushed = defaultdict[str, set[int]](set)
    models = sorted({m for server in node.servers for m in work.wish.models_of(server.id)})
    for digest, users in _environments(work, node, models).items():
        if digest not in sight.environments:
            install = InstallEnvironment(node.name, digest, tuple(users))
            number = work.draft.add(install, "it is not on the node")
            for model in users:
                pushed[model].add(number)
    for model in models:
        digest = work.wish.contents.get(model, "")
        if digest and digest not in sight.models.get(model, frozenset()):
            known = bool(sight.models.get(model))
            step = PushModel(node.name, model, digest, Sign.UPDATE if known else Sign.ADD)
            pushed[model].add(work.draft.add(step, "its files changed" if known else "it is not on the node"))
    return Ground(sight, installed, pushed)


def _runtime(work: Work, node: Node, sight: NodeSight) -> frozenset[int]:
    """Bring what servers run in there: an image, pulled before anything is stopped, or a runtime of ours."""
    image = work.wish.images.get(node.name)
    runtime = work.wish.runtimes.get(node.name, "")
    if image is not None:
        if not image.digest or image.content not in sight.images:
            return frozenset({work.draft.add(PullImage(node.name, image.text), _why_pull(work, node, image))})
    elif runtime and runtime not in sight.runtimes:
        return frozenset({work.draft.add(InstallRuntime(node.name, runtime), "it is not on the node")})
    return frozenset()


def _why_pull(work: Work, node: Node, image: Pinned) -> str:
    before = given_fact(work.record.facts.get(node.name, {}).get(FACT, ""))
    if before.name == str(image.image) and before.digest != image.digest:
        return f"its tag moved: it was {before.digest[:19]}"
    return "it is not on the node"


def _environments(work: Work, node: Node, models: list[str]) -> dict[str, list[str]]:
    """The environments that models of a node need, each with those that share it."""
    found = defaultdict[str, list[str]](list)
    wanted = work.wish.environments.get(node.name, {})
    for model in models:
        if digest := wanted.get(model):
            found[digest].append(model)
    return dict(sorted(found.items()))


def _server(work: Work, server: Server, ground: Ground) -> Outdated | None:
    unit = ground.sight.units.get(f"server-{server.id.server}")
    seen = work.snapshot.servers.get(server.id)
    models = work.wish.models_of(server.id)
    before = ground.before(*models)
    if _lost(work, server, unit, seen):
        return None
    if unit is None or unit.process is None:
        why = "it was never started" if unit is None else "it does not run"
        _start(work, StartServer(server.id, models), why, before)
    elif _outdated(work, server, unit):
        return Outdated(server, frozenset(before))
    elif why := _fails(work, server.id, seen, Kind.STILL_FAILING):
        return Outdated(server, frozenset(before), why, fails=True)
    elif seen is None or not seen.live:
        _silent(work, server, seen, before)
    else:
        _replicas(work, server, ground, unit, seen)
    return None


def _outdated(work: Work, server: Server, unit: UnitSight) -> bool:
    return unit.settings != work.wish.settings.get(server.id, unit.settings)


def _lost(work: Work, server: Server, unit: UnitSight | None, seen: ServerSight | None) -> bool:
    """Whether a server is left alone since its device is not there: started now, it would run without one.

    One that runs as it should and answers is believed more than nvidia-smi.
    """
    why = work.wish.lost.get(server.id)
    if why is None:
        return False
    runs = unit is not None and unit.process is not None and not _outdated(work, server, unit)
    if runs and seen is not None and seen.live:
        work.draft.note(f"{server.id} runs on: {why}")
        return False
    work.draft.skipped.append(Skip(str(server.id), why))
    return True


def _silent(work: Work, server: Server, seen: ServerSight | None, before: set[int]) -> None:
    """A server that runs and does not answer is killed where it hangs, and waited for where it starts."""
    models, limits = work.wish.models_of(server.id), work.wish.spec.node(server.id.node).timeouts
    patience = limits.start + limits.load
    why = stuck(work.record.health.get(server.id), seen, patience=patience, now=work.snapshot.at)
    if why:
        killed = work.draft.add(KillServer(server.id), why, before)
        start = StartServer(server.id, models, Sign.UPDATE, stopped=True)
        _start(work, start, "it was killed since it hung", {killed})
    elif _comes_back(work, server.id):
        work.draft.note(f"{server.id} runs and does not answer yet: it takes requests again once it does")
    else:
        _start(work, StartServer(server.id, models, Sign.UPDATE), "it runs and does not answer yet", before)


def _comes_back(work: Work, server: ServerId) -> bool:
    """Whether a server serves again as soon as its process is ready, with nobody waiting for it.

    That needs that it has its models already, of the content that is wanted, and that routers send there.
    """
    found = [(model, work.record.replica(server, model)) for model in work.wish.models_of(server)]
    return not work.wish.attended and all(
        replica is not None
        and replica.slot is not SlotState.OFF
        and replica.digest == work.wish.contents.get(model, "")
        for model, replica in found
    )


def _start(work: Work, operation: StartServer, why: str, before: set[int]) -> None:
    if _comes_back(work, operation.server):
        work.draft.add(replace(operation, waits=False), why, before)
        return
    step = work.draft.add(operation, why, before)
    for model in operation.models:
        route(work, (operation.server, model), {step})


def _replicas(work: Work, server: Server, ground: Ground, unit: UnitSight, seen: ServerSight) -> None:
    loads: set[int] = set()
    for model in work.wish.models_of(server.id):
        steps = _load(work, server, model, ground, seen)
        loads |= steps
        route(work, (server.id, model), steps, again=(server.id, model) in work.emptied)
    script = work.wish.scripts.get(server.id, unit.run_digest)
    if script != unit.run_digest and not loads and not work.unwanted(server):
        work.draft.add(ConfigureServer(server.id), "its start script names other models", ground.before())


def _load(work: Work, server: Server, model: str, ground: Ground, seen: ServerSight) -> set[int]:
    replica = seen.replicas.get(model, ReplicaSight(ModelState.ABSENT))
    digest = work.wish.contents.get(model, "")
    before = ground.before(model)
    if replica.state is not ModelState.READY:
        why = f"the server says {replica.state.value}" + (f": {replica.reason}" if replica.reason else "")
        return {work.draft.add(LoadReplica(server.id, model, digest), why, before)}
    loaded = _loaded(work, (server.id, model), ground.sight, digest)
    if loaded == digest:
        why = _fails(work, server.id, seen, Kind.FAILING, model)
        return _anew(work, (server.id, model), digest, why) if why else set()
    if model in work.last_reload:
        before |= {work.last_reload[model], *work.joins[model]}
    why = f"its files changed: {loaded or 'something else'} to {digest or 'the path'}"
    if model in work.wish.stateful:
        before = _emptied(work, (server.id, model), before)
    step = work.draft.add(LoadReplica(server.id, model, digest, Sign.UPDATE), why, before)
    work.last_reload[model] = step
    return {step}


def _fails(work: Work, server: ServerId, seen: ServerSight | None, kind: Kind, model: str = "") -> str:
    """Why a server is to be helped as one of this kind; an operator's command has no fresh word on that."""
    health = None if work.wish.attended else work.record.health.get(server)
    return fails(health, seen, kind, model)


def _anew(work: Work, place: Place, digest: str, why: str) -> set[int]:
    """Load a model anew where it fails, if others serve meanwhile; one place after the other."""
    server, model = place
    if not work.serving.get(model, set()) - {server}:
        work.draft.note(f"{model} fails in {server}, which alone serves it: left as it is")
        return set()
    before = set(work.routers)
    if model in work.last_reload:
        before |= {work.last_reload[model], *work.joins[model]}
    if work.slot(place) is SlotState.READY:
        work.emptied.add(place)
        leave = Leave(server, (model,), sign=Sign.UPDATE, cut_after=PATIENCE)
        before = {work.draft.add(leave, why, before)}
    step = work.draft.add(LoadReplica(server, model, digest, Sign.UPDATE, anew=True), why, before)
    work.last_reload[model] = step
    return {step}


def _emptied(work: Work, place: Place, before: set[int]) -> set[int]:
    """Let open sequences and streams end before the version that they began with goes, if others can serve.

    Triton changes versions under them otherwise: its model life cycle promises nothing to open sequences.
    """
    server, model = place
    if work.slot(place) is not SlotState.READY:
        return before
    if not work.serving.get(model, set()) - {server}:
        work.draft.note(f"{model} keeps state and {server} alone serves it: open sequences and streams end")
        return before
    work.emptied.add(place)
    why = "open sequences and streams end before its new version"
    return {work.draft.add(Leave(server, (model,), sign=Sign.UPDATE), why, before | work.routers)}


def _loaded(work: Work, place: Place, sight: NodeSight, digest: str) -> str:
    """The content that a server runs: `digest` only where that is certain.

    The link says what it would load, the record what it was seen to load. A process of ours that died
    between the two leaves them apart.
    """
    server, model = place
    linked = sight.links.get((server.server, model), "")
    replica = work.record.places.get(place)
    return linked if linked != digest or replica is None else replica.digest


def route(work: Work, place: Place, before: set[int], *, again: bool = False) -> set[int]:
    """Send requests to a replica unless its node drains. Gives back the steps after which it serves.

    A slot that is in use and does not answer is joined again, so that whoever leaves waits for it.
    """
    server, model = place
    if place in work.wish.placement.resting:
        return set()
    taken = work.slot(place) is SlotState.READY and not again
    if taken and (place in work.answering or not before):
        return set()
    why = "it takes requests as soon as it is ready again" if taken else "a ready replica takes requests"
    step = work.draft.add(Join(server, model), why, before | work.routers)
    work.joins[model].add(step)
    return {step}
