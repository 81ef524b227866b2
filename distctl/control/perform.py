"""How each operation is done: one function for each, all of the same shape.

Each can be done again after it was cut at any point: it looks at nothing it has remembered, writes the
record before it acts, and asks for an end state rather than for a change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distctl.cluster.record import (
    DropNode,
    DropReplica,
    DropRouter,
    Known,
    Replica,
    SetFacts,
    SetKnown,
    SetReplica,
    SetRouter,
)
from distctl.cluster.router import SlotState
from distctl.cluster.shared import AddressView
from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import ModelSpec, Node, RouterId, Server, ServerId
from distctl.control.ending import end_router
from distctl.control.loading import reload_model, unready, wait_for_models
from distctl.control.routing import Routing
from distctl.control.world import World
from distctl.errors import DistctlError, HealthGateFailed, NodeError, RouterError, TritonError
from distctl.policy.images import FACT, Given, given_fact
from distctl.policy.operations import (
    CloseSlots,
    ConfigureServer,
    DrainRouter,
    GiveUpAddress,
    InstallEnvironment,
    InstallRuntime,
    Join,
    KillServer,
    Leave,
    LoadReplica,
    Operation,
    Prune,
    PullImage,
    PushModel,
    RelayConnections,
    ReleaseAddress,
    RemoveNode,
    RemoveServers,
    SetRouterUp,
    ShareAddress,
    Sign,
    StartServer,
    StopRouter,
    StopServer,
    UnloadReplica,
)

Report = Callable[[str], None]
STOP_ROUTER = 300.0  # seconds for what is in flight there, as long as a drain may take by default
KILL = 0.0  # seconds for one that answers nobody, so asks nobody for time
TAKEN = 15.0  # seconds until some place has an address: keepalived takes it some seconds after its start
STOP = 35.0  # seconds for Triton's own exit, which takes up to 30 (its --exit-timeout-secs)


@dataclass(frozen=True, slots=True)
class Job:
    """What every operation of one execution is done with."""

    world: World
    token: int
    routing: Routing
    nodes: Mapping[str, Node]  # those of the spec and those that left it
    models: Mapping[str, ModelSpec]
    contents: Mapping[str, str]  # model to digest
    documents: Mapping[str, str]  # node to JSON, for the record
    force: bool = False  # cut what is in flight at a drain's deadline
    drain_seconds: float | None = None  # instead of the node's own
    cleared: Mapping[str, str] = field(default_factory=dict)  # documents without the servers that left
    lame_ducks: Mapping[RouterId, float] = field(
        default_factory=dict
    )  # seconds; of routers we know how to tell
    addresses: Mapping[RouterId, AddressView] = field(default_factory=dict)

    def server(self, server: ServerId) -> Server:
        """The server of that id."""
        return next(s for s in self.nodes[server.node].servers if s.id == server)

    def places(self, node: str) -> tuple[str, ...]:
        """Where a step on a node may change something: there and, in the routers, everywhere else."""
        return tuple(sorted({node, *(router.place for router in self.routing.routers)}))

    def load_seconds(self, server: Server) -> float:
        """How long one model may take to load."""
        return self.nodes[server.id.node].timeouts.load


def joined(one: Operation, other: Operation) -> bool:
    """Whether two operations are done in one turn: models that join the same server."""
    return isinstance(one, Join) and isinstance(other, Join) and one.server == other.server


def perform(job: Job, operations: Sequence[Operation], report: Report) -> Sequence[DistctlError | None]:
    """Do one operation, or several that are `joined`. Whatever was reached is in the record.

    What comes back says of each why it failed, or as a PartialFailure what it left out. Raises DistctlError
    when all of them failed alike.
    """
    joins = [operation for operation in operations if isinstance(operation, Join)]
    if joins:
        return _join(job, joins, report)
    (operation,) = operations
    PERFORM[type(operation)](job, operation, report)
    return (None,)


def _progress(report: Report, what: str) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        report(f"{what} {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    return told


def _install(job: Job, op: InstallRuntime | InstallEnvironment, report: Report) -> None:
    _remember(job, op.node)
    archive = job.world.archive(op.digest)
    what = archive.kind.name.lower()
    job.world.node(op.node).install(archive, progress=_progress(report, what))


def _pull(job: Job, op: PullImage, report: Report) -> None:
    """The record names what a node was given once it is there: a pull that fails changes nothing."""
    _remember(job, op.node)
    name, digest = job.world.node(op.node).pull(report=report)
    known = job.world.store.load().facts.get(op.node, {})
    given = Given(name, digest, job.world.clock.now())
    job.world.store.commit(job.token, [SetFacts(op.node, {**known, FACT: given.text})])


def _push(job: Job, op: PushModel, report: Report) -> None:
    folder = job.world.folder(op.model)
    if folder.digest != op.digest:
        raise NodeError(
            op.node,
            op.text,
            f"its files here are {folder.digest} by now",
            hint="`distctl up` brings what they are now to every node",
        )
    job.world.node(op.node).push(op.model, folder, progress=_progress(report, op.model))


def _start(job: Job, op: StartServer, report: Report) -> None:
    server = job.server(op.server)
    before = job.world.store.load()
    new = [model for model in op.models if before.replica(op.server, model) is None]
    _remember(job, op.node)
    _place(job, op.server, new)
    _configure(job, server, loading=op.models)
    job.world.node(op.node).start(server)
    if not op.waits:
        return
    limits = job.nodes[op.node].timeouts
    wait_for_models(job.world, server, op.models, start=limits.start, load=limits.load, report=report)
    if not op.stopped:
        for model in op.models:
            _renew(job, server, model, before.replica(op.server, model), report)
    _place(job, op.server, op.models)


def _renew(job: Job, server: Server, model: str, before: Replica | None, report: Report) -> None:
    """Load a model once more where the process may have begun with its old content."""
    if before is not None and before.digest != job.contents.get(model, ""):
        reload_model(job.world, server, model, seconds=job.load_seconds(server), report=report)


def _remember(job: Job, place: str) -> None:
    """Keep how a place is reached, for the day it has left the file."""
    if place in job.documents:
        job.world.store.commit(job.token, [SetKnown(Known(place, job.documents[place]))])


def _place(job: Job, server: ServerId, models: Iterable[str]) -> None:
    """Write replicas with their wanted content, and the slots that the record has for them."""
    record = job.world.store.load()
    known = (record.replica(server, model) or Replica(server, model) for model in models)
    changes = [SetReplica(replace(r, digest=job.contents.get(r.model, ""))) for r in known]
    if changes:
        job.world.store.commit(job.token, changes)


def _configure(job: Job, server: Server, *, without: str = "", loading: Collection[str] = ()) -> None:
    """Make the start script name what the record places there, with the wanted content of those `loading`."""
    placed = {r.model: r.digest for r in job.world.store.load().replicas if r.server == server.id}
    placed.pop(without, None)
    paths = {m.name: m.source.path for m in job.models.values() if m.source.kind == "node"}
    sources = {model: paths[model] for model in placed if model in paths}
    models = {model: digest for model, digest in placed.items() if model not in sources}
    models |= {model: job.contents[model] for model in loading if model in models}
    if not all(models.values()):  # a record that was rebuilt does not know what is loaded: the links stay
        links = job.world.node(server.id.node).look().links
        models = {m: digest or links.get((server.id.server, m), "") for m, digest in models.items()}
    job.world.node(server.id.node).configure(server, {m: d for m, d in models.items() if d}, sources)


def _stop(job: Job, op: StopServer, report: Report) -> None:
    report("stopping")
    job.world.node(op.node).stop(job.server(op.server), seconds=STOP)


def _kill(job: Job, op: KillServer, report: Report) -> None:
    """One that answers by now is left as it is, whatever was decided."""
    node, server = job.world.node(op.node), job.server(op.server)
    if node.silence(server) is Silence.NONE:
        report("it answers again: left as it is")
        return
    report("killing")
    node.stop(server, seconds=KILL)


def _close(job: Job, op: CloseSlots, report: Report) -> None:
    report("closing")
    job.routing.record(op.server, op.models, SlotState.OFF)
    job.routing.apply()


def _rewrite(job: Job, op: ConfigureServer, report: Report) -> None:
    report("writing the start script")
    _configure(job, job.server(op.server))


def _load(job: Job, op: LoadReplica, report: Report) -> None:
    """The record names a new content only once it is loaded: a process that dies before loads it again."""
    server = job.server(op.server)
    if job.world.store.load().replica(op.server, op.model) is None:
        _place(job, op.server, (op.model,))
    _configure(job, server, loading=(op.model,))
    if op.anew:
        job.world.triton(op.server).unload(op.model)
    try:
        reload_model(job.world, server, op.model, seconds=job.load_seconds(server), report=report)
    except NodeError as error:
        if op.sign is not Sign.UPDATE:
            raise
        # Triton goes on with the old content: a restart must come back with it too.
        _configure(job, server)
        raise HealthGateFailed(
            op.node,
            op.text,
            f"{error.problem}; the old version serves on",
            output=error.output,
            hint=error.hint,
        ) from error
    _place(job, op.server, (op.model,))


def _unload(job: Job, op: UnloadReplica, report: Report) -> None:
    report("unloading")
    _configure(job, job.server(op.server), without=op.model)
    try:
        job.world.triton(op.server).unload(op.model)
    except TritonError:
        if _runs(job, op.server):
            raise  # one that was stopped has nothing loaded, and its start script no longer names the model
    job.world.store.commit(job.token, [DropReplica(op.server, op.model)])


def _runs(job: Job, server: ServerId) -> bool:
    """Whether a server's process is there now."""
    unit = job.world.node(server.node).look().units.get(f"server-{server.server}")
    return unit is None or unit.process is not None


def _join(job: Job, ops: Sequence[Join], report: Report) -> list[DistctlError | None]:
    """A model that is not ready keeps none of the others from joining."""
    server = ops[0].server
    problems: dict[str, DistctlError] = dict(unready(job.world, job.server(server), [op.model for op in ops]))
    ready = [op.model for op in ops if op.model not in problems]
    if ready:
        report("waiting for the routers' own checks")
        record = job.world.store.load()
        _place(job, server, [model for model in ready if record.replica(server, model) is None])
        try:
            late = job.routing.join(server, ready)
        except DistctlError as error:
            problems |= dict.fromkeys(ready, error)
        else:
            problems |= dict.fromkeys(ready, late) if late else {}
    return [problems.get(op.model) for op in ops]


def _leave(job: Job, op: Leave, report: Report) -> None:
    seconds = job.drain_seconds
    if seconds is None:
        seconds = job.nodes[op.node].timeouts.drain
    force = job.force
    if op.cut_after is not None:
        seconds, force = min(seconds, op.cut_after), True
    job.routing.leave(op.server, op.models, rest=op.rest, seconds=seconds, force=force, report=report)


def _router_up(job: Job, op: SetRouterUp, report: Report) -> None:
    report("rendering, checking, loading")
    _remember(job, op.node)
    job.world.store.commit(job.token, [SetRouter(op.router)])
    report(job.routing.bring(op.router))


def _router_drain(job: Job, op: DrainRouter | StopRouter, report: Report) -> None:
    if op.router in job.lame_ducks:
        report("its health path says that it goes")
        job.routing.end(op.router)
    end_router(
        job.world,
        op.router,
        lame_duck=job.lame_ducks.get(op.router, 0.0),
        seconds=STOP_ROUTER if job.drain_seconds is None else job.drain_seconds,
        force=job.force,
        report=report,
    )


def _router_stop(job: Job, op: StopRouter, report: Report) -> None:
    seconds = STOP_ROUTER if job.drain_seconds is None else job.drain_seconds
    if not op.hasty:
        _router_drain(job, op, report)
        seconds = 0.0
    report("waiting for nothing in flight")
    job.world.router(op.router).stop(deadline=seconds)
    job.world.store.commit(job.token, [DropRouter(op.router)])


def _share(job: Job, op: ShareAddress, report: Report) -> None:
    job.world.address(op.router).apply(job.addresses[op.router])
    report(f"waiting until a place has {op.address}")
    _await_holder(job, op)


def _give_up(job: Job, op: GiveUpAddress, report: Report) -> None:
    report("letting another place have the address")
    view, control = job.addresses[op.router], job.world.address(op.router)
    mates = [mate for id, mate in job.addresses.items() if id.router == op.router.router and mate != view]
    if not control.give_up(view, chained=any(mate.yields for mate in mates)):
        report(f"no other place takes {op.address}: it stays")
    control.apply(view)


def _relay(job: Job, op: RelayConnections, report: Report) -> None:
    if not job.world.address(op.router).relay(job.addresses[op.router], job.addresses[op.giver].source):
        report(f"no nftables there: what is open to {op.giver.place} ends with the move")


def _await_holder(job: Job, op: ShareAddress) -> None:
    """Wait until some place of the router has the address: not always this one."""
    until = job.world.clock.now() + TAKEN
    places = [router for router in job.addresses if router.router == op.router.router]
    while not any(job.world.address(router).look().holds for router in places):
        if job.world.clock.now() > until:
            said = f"no place of router {op.router.router} took {op.address} in {TAKEN:g} s"
            raise RouterError(said, hint=f"distctl logs {op.router.router}")
        job.world.clock.sleep(0.2)


def _release(job: Job, op: ReleaseAddress, report: Report) -> None:
    report("stopping keepalived")
    job.world.address(op.router).remove()


def _remove(job: Job, op: RemoveNode, report: Report) -> None:
    report("removing")
    job.world.node(op.node).remove(keep_models=op.keep_models)
    job.world.store.commit(job.token, [DropNode(op.node)])


def _remove_servers(job: Job, op: RemoveServers, report: Report) -> None:
    report("removing")
    for server in op.servers:
        job.world.node(op.node).clear(job.server(server))
    gone = [r for r in job.world.store.load().replicas if r.server in op.servers]
    job.world.store.commit(
        job.token,
        [*(DropReplica(r.server, r.model) for r in gone), SetKnown(Known(op.node, job.cleared[op.node]))],
    )


def _prune(job: Job, op: Prune, report: Report) -> None:
    report("removing old contents")
    kept = {model: frozenset(digests) for model, digests in op.models}
    runtimes = {*op.runtimes, _given(job, op.node)} if job.nodes[op.node].contained else op.runtimes
    job.world.node(op.node).prune(kept, frozenset(runtimes), frozenset(op.environments))


def _given(job: Job, node: str) -> str:
    """The digest of the image that a node was given last: its plan may have pulled what nobody knew yet."""
    return given_fact(job.world.store.load().facts.get(node, {}).get(FACT, "")).digest


PERFORM: Mapping[type, Callable[[Job, Any, Report], None]] = {
    InstallRuntime: _install,
    InstallEnvironment: _install,
    PullImage: _pull,
    PushModel: _push,
    StartServer: _start,
    StopServer: _stop,
    KillServer: _kill,
    CloseSlots: _close,
    ConfigureServer: _rewrite,
    LoadReplica: _load,
    UnloadReplica: _unload,
    Leave: _leave,
    SetRouterUp: _router_up,
    DrainRouter: _router_drain,
    StopRouter: _router_stop,
    ShareAddress: _share,
    GiveUpAddress: _give_up,
    RelayConnections: _relay,
    ReleaseAddress: _release,
    RemoveNode: _remove,
    RemoveServers: _remove_servers,
    Prune: _prune,
}
