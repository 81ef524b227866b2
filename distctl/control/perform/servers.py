"""Servers started, stopped, and told what to hold."""

from __future__ import annotations

from distctl.cluster.record import Replica
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import Server
from distctl.control.loading import reload_model, wait_for_models
from distctl.control.perform.job import Job, Report
from distctl.control.perform.writing import keep_node, keep_replicas, write_script
from distctl.policy.operations import CloseSlots, ConfigureServer, KillServer, StartServer, StopServer

KILL = 0.0  # seconds for one that answers nobody, so asks nobody for time
STOP = 35.0  # seconds for Triton's own exit, which takes up to 30 (its --exit-timeout-secs)


def start(job: Job, op: StartServer, report: Report) -> None:
    """Start a server and, where somebody waits, see all its models ready."""
    server = job.server(op.server)
    before = job.world.store.load()
    new = [model for model in op.models if before.replica(op.server, model) is None]
    keep_node(job, op.node)
    keep_replicas(job, op.server, new)
    write_script(job, server, loading=op.models)
    job.world.node(op.node).start(server)
    if not op.waits:
        return
    limits = job.nodes[op.node].timeouts
    wait_for_models(job.world, server, op.models, start=limits.start, load=limits.load, report=report)
    if not op.stopped:
        for model in op.models:
            _renew(job, server, model, before.replica(op.server, model), report)
    keep_replicas(job, op.server, op.models)


def _renew(job: Job, server: Server, model: str, before: Replica | None, report: Report) -> None:
    """Load a model once more where the process may have begun with its old content."""
    if before is not None and before.digest != job.contents.get(model, ""):
        reload_model(job.world, server, model, seconds=job.load_seconds(server), report=report)


def stop(job: Job, op: StopServer, report: Report) -> None:
    """Stop a server, within Triton's own exit time."""
    report("stopping")
    job.world.node(op.node).stop(job.server(op.server), seconds=STOP)


def kill(job: Job, op: KillServer, report: Report) -> None:
    """One that answers by now is left as it is, whatever was decided."""
    node, server = job.world.node(op.node), job.server(op.server)
    if node.silence(server) is Silence.NONE:
        report("it answers again: left as it is")
        return
    report("killing")
    node.stop(server, seconds=KILL)


def close(job: Job, op: CloseSlots, report: Report) -> None:
    """Close slots that nobody can drain."""
    report("closing")
    job.routing.record(op.server, op.models, SlotState.OFF)
    job.routing.apply()


def rewrite(job: Job, op: ConfigureServer, report: Report) -> None:
    """Make the start script name what the record places there."""
    report("writing the start script")
    write_script(job, job.server(op.server))
