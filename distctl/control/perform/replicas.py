"""Replicas loaded, joined, drained and unloaded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from distctl.cluster.record import DropReplica
from distctl.cluster.router import SlotState
from distctl.cluster.spec import ServerId
from distctl.control.loading import reload_model, unready
from distctl.control.perform.job import Job, Report
from distctl.control.perform.writing import keep_replicas, write_script
from distctl.errors import DistctlError, HealthGateFailed, NodeError, TritonError
from distctl.policy.operations import Join, Leave, LoadReplica, Sign, UnloadReplica


def load(job: Job, op: LoadReplica, report: Report) -> None:
    """The record names a new content only once it is loaded: a process that dies before loads it again."""
    server = job.server(op.server)
    if job.world.store.load().replica(op.server, op.model) is None:
        keep_replicas(job, op.server, (op.model,))
    write_script(job, server, loading=(op.model,))
    if op.anew:
        job.world.triton(op.server).unload(op.model)
    try:
        reload_model(
            job.world,
            server,
            op.model,
            seconds=job.load_seconds(server),
            report=report,
            meanwhile=partial(_announce, job, op),
        )
    except NodeError as error:
        if op.sign is not Sign.UPDATE:
            raise
        # Triton goes on with the old content: a restart must come back with it too.
        write_script(job, server)
        raise HealthGateFailed(
            op.node,
            op.text,
            f"{error.problem}; the old version serves on",
            output=error.output,
            hint=error.hint,
        ) from error
    keep_replicas(job, op.server, (op.model,))


def _announce(job: Job, op: LoadReplica) -> None:
    """Where requests may wait for a model that sleeps, routers check it from now on: they see it wake."""
    scale = job.models[op.model].autoscale
    record = job.world.store.load()
    serves = any(r.slot is SlotState.READY for r in record.replicas if r.model == op.model)
    if scale is not None and scale.sleeps and not serves:
        job.routing.announce(op.server, op.model)


def unload(job: Job, op: UnloadReplica, report: Report) -> None:
    """Unload a model; the start script forgets it first, so that a restart does not bring it back."""
    report("unloading")
    write_script(job, job.server(op.server), without=op.model)
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


def join(job: Job, ops: Sequence[Join], report: Report) -> list[DistctlError | None]:
    """A model that is not ready keeps none of the others from joining."""
    server = ops[0].server
    problems: dict[str, DistctlError] = dict(unready(job.world, job.server(server), [op.model for op in ops]))
    ready = [op.model for op in ops if op.model not in problems]
    if ready:
        report("waiting for the routers' own checks")
        record = job.world.store.load()
        keep_replicas(job, server, [model for model in ready if record.replica(server, model) is None])
        try:
            late = job.routing.join(server, ready)
        except DistctlError as error:
            problems |= dict.fromkeys(ready, error)
        else:
            problems |= dict.fromkeys(ready, late) if late else {}
    return [problems.get(op.model) for op in ops]


def leave(job: Job, op: Leave, report: Report) -> None:
    """Drain a server's slots in every router, within the node's own time or the one that was asked for."""
    seconds, force = job.patience(op.node, job.nodes[op.node].timeouts.drain)
    if op.cut_after is not None:
        seconds, force = min(seconds, op.cut_after), True
    job.routing.leave(op.server, op.models, rest=op.rest, seconds=seconds, force=force, report=report)
