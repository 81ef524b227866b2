"""How each operation is done: one function for each, all of the same shape.

Each can be done again after it was cut at any point: it looks at nothing it has remembered, writes the
record before it acts, and asks for an end state rather than for a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from distctl.cluster.record import (
    DropNode,
    DropReplica,
    DropRouter,
    Known,
    Replica,
    SetKnown,
    SetReplica,
    SetRouter,
)
from distctl.cluster.spec import ModelSpec, Node, Server, ServerId
from distctl.control.loading import reload_model, require_ready, wait_for_models
from distctl.control.routing import Routing
from distctl.control.world import World
from distctl.errors import HealthGateFailed, NodeError
from distctl.policy.operations import (
    ConfigureServer,
    InstallRuntime,
    Join,
    Leave,
    LoadReplica,
    Operation,
    PushModel,
    RemoveNode,
    SetRouterUp,
    Sign,
    StartServer,
    StopRouter,
    StopServer,
    UnloadReplica,
)

Report = Callable[[str], None]
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

    def server(self, server: ServerId) -> Server:
        """The server of that id."""
        return next(s for s in self.nodes[server.node].servers if s.id == server)


def perform(job: Job, operation: Operation, report: Report) -> None:
    """Do one operation. Raises DistctlError; whatever was reached then is in the record."""
    PERFORM[type(operation)](job, operation, report)


def _progress(report: Report, what: str) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        report(f"{what} {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    return told


def _install(job: Job, op: InstallRuntime, report: Report) -> None:
    job.world.store.commit(job.token, [SetKnown(Known(op.node, job.documents[op.node]))])
    archive = job.world.archive(op.digest)
    job.world.node(op.node).install(archive, progress=_progress(report, "runtime"))


def _push(job: Job, op: PushModel, report: Report) -> None:
    folder = job.world.folder(op.model)
    job.world.node(op.node).push(op.model, folder, progress=_progress(report, op.model))


def _start(job: Job, op: StartServer, report: Report) -> None:
    server = job.server(op.server)
    job.world.store.commit(
        job.token,
        [
            SetKnown(Known(op.node, job.documents[op.node])),
            *(SetReplica(_replica(job, op.server, m)) for m in op.models),
        ],
    )
    _configure(job, server)
    job.world.node(op.node).start(server)
    limits = job.nodes[op.node].timeouts
    wait_for_models(job.world, server, op.models, start=limits.start, load=limits.load, report=report)


def _replica(job: Job, server: ServerId, model: str) -> Replica:
    """The replica as it is to be, with the slot that the record has for it."""
    known = job.world.store.load().replica(server, model) or Replica(server, model)
    return replace(known, digest=job.contents.get(model, ""))


def _configure(job: Job, server: Server, *, without: str = "") -> None:
    """Make the start script name what the record places there."""
    record = job.world.store.load()
    placed = [r for r in record.replicas if r.server == server.id and r.model != without]
    models = {r.model: r.digest for r in placed if r.digest}
    sources = {
        r.model: job.models[r.model].source.path for r in placed if not r.digest and r.model in job.models
    }
    job.world.node(server.id.node).configure(server, models, sources)


def _stop(job: Job, op: StopServer, report: Report) -> None:
    report("stopping")
    job.world.node(op.node).stop(job.server(op.server), seconds=STOP)


def _rewrite(job: Job, op: ConfigureServer, report: Report) -> None:
    report("writing the start script")
    _configure(job, job.server(op.server))


def _load(job: Job, op: LoadReplica, report: Report) -> None:
    server = job.server(op.server)
    before = job.world.store.load().replica(op.server, op.model)
    job.world.store.commit(
        job.token, [SetReplica(replace(_replica(job, op.server, op.model), digest=op.digest))]
    )
    _configure(job, server)
    limits = job.nodes[op.node].timeouts
    try:
        reload_model(job.world, server, op.model, seconds=limits.load, report=report)
    except NodeError as error:
        if op.sign is not Sign.UPDATE or before is None:
            raise
        # Triton goes on with the old content: a restart must come back with it too.
        job.world.store.commit(job.token, [SetReplica(before)])
        _configure(job, server)
        raise HealthGateFailed(
            op.node,
            op.text,
            f"{error.problem}; the old version serves on",
            output=error.output,
            hint=error.hint,
        ) from error


def _unload(job: Job, op: UnloadReplica, report: Report) -> None:
    report("unloading")
    _configure(job, job.server(op.server), without=op.model)
    job.world.triton(op.server).unload(op.model)
    job.world.store.commit(job.token, [DropReplica(op.server, op.model)])


def _join(job: Job, op: Join, report: Report) -> None:
    require_ready(job.world, job.server(op.server), op.model)
    report("waiting for the routers' own checks")
    if job.world.store.load().replica(op.server, op.model) is None:
        job.world.store.commit(job.token, [SetReplica(_replica(job, op.server, op.model))])
    job.routing.join(op.server, op.model)


def _leave(job: Job, op: Leave, report: Report) -> None:
    seconds = job.drain_seconds
    if seconds is None:
        seconds = job.nodes[op.node].timeouts.drain
    job.routing.leave(op.server, op.models, rest=op.rest, seconds=seconds, force=job.force, report=report)


def _router_up(job: Job, op: SetRouterUp, report: Report) -> None:
    report("rendering, checking, loading")
    job.world.store.commit(job.token, [SetRouter(op.router)])
    report(job.routing.bring(op.router))


def _router_stop(job: Job, op: StopRouter, report: Report) -> None:
    report("waiting for nothing in flight")
    job.world.router(op.router).stop(deadline=job.drain_seconds or 300.0)
    job.world.store.commit(job.token, [DropRouter(op.router)])


def _remove(job: Job, op: RemoveNode, report: Report) -> None:
    report("removing")
    if op.keep_models:
        kept = {model: frozenset({digest}) for model, digest in job.contents.items() if digest}
        job.world.node(op.node).prune(kept, frozenset())
    else:
        job.world.node(op.node).remove()
    job.world.store.commit(job.token, [DropNode(op.node)])


PERFORM: Mapping[type, Callable[[Job, Any, Report], None]] = {
    InstallRuntime: _install,
    PushModel: _push,
    StartServer: _start,
    StopServer: _stop,
    ConfigureServer: _rewrite,
    LoadReplica: _load,
    UnloadReplica: _unload,
    Join: _join,
    Leave: _leave,
    SetRouterUp: _router_up,
    StopRouter: _router_stop,
    RemoveNode: _remove,
}
