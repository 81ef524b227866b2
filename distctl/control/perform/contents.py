"""What is put on nodes and taken away from them."""

from __future__ import annotations

from collections.abc import Callable

from distctl.cluster.record import DropNode, DropReplica, Known, SetFacts, SetKnown
from distctl.control.perform.job import Job, Report
from distctl.control.perform.writing import keep_node
from distctl.errors import NodeError
from distctl.policy.images import FACT, Given, given_fact
from distctl.policy.operations import (
    InstallEnvironment,
    InstallRuntime,
    Prune,
    PullImage,
    PushModel,
    RemoveNode,
    RemoveServers,
)


def install(job: Job, op: InstallRuntime | InstallEnvironment, report: Report) -> None:
    """Put a runtime or an environment on a node."""
    keep_node(job, op.node)
    archive = job.world.archive(op.digest)
    what = archive.kind.name.lower()
    job.world.node(op.node).install(archive, progress=_progress(report, what))


def pull(job: Job, op: PullImage, report: Report) -> None:
    """The record names what a node was given once it is there: a pull that fails changes nothing."""
    keep_node(job, op.node)
    name, digest = job.world.node(op.node).pull(report=report)
    known = job.world.store.load().facts.get(op.node, {})
    given = Given(name, digest, job.world.clock.now())
    job.world.store.commit(job.token, [SetFacts(op.node, {**known, FACT: given.text})])


def push(job: Job, op: PushModel, report: Report) -> None:
    """Put a model's files on a node. Raises NodeError when they are others by now."""
    folder = job.world.folder(op.model)
    if folder.digest != op.digest:
        raise NodeError(
            op.node,
            op.text,
            f"its files here are {folder.digest} by now",
            hint="`distctl up` brings what they are now to every node",
        )
    job.world.node(op.node).push(op.model, folder, progress=_progress(report, op.model))


def _progress(report: Report, what: str) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        report(f"{what} {done / 1e6:.1f} of {total / 1e6:.1f} MB")

    return told


def remove_node(job: Job, op: RemoveNode, report: Report) -> None:
    """Remove everything of this cluster from a node, and forget it."""
    report("removing")
    job.world.node(op.node).remove(keep_models=op.keep_models)
    job.world.store.commit(job.token, [DropNode(op.node)])


def remove_servers(job: Job, op: RemoveServers, report: Report) -> None:
    """Remove what is kept of servers that left, and forget their replicas."""
    report("removing")
    for server in op.servers:
        job.world.node(op.node).clear(job.server(server))
    gone = [r for r in job.world.store.load().replicas if r.server in op.servers]
    job.world.store.commit(
        job.token,
        [*(DropReplica(r.server, r.model) for r in gone), SetKnown(Known(op.node, job.cleared[op.node]))],
    )


def prune(job: Job, op: Prune, report: Report) -> None:
    """Remove the contents that a node does not need any more."""
    report("removing old contents")
    kept = {model: frozenset(digests) for model, digests in op.models}
    runtimes = {*op.runtimes, _given(job, op.node)} if job.nodes[op.node].contained else op.runtimes
    job.world.node(op.node).prune(kept, frozenset(runtimes), frozenset(op.environments))


def _given(job: Job, node: str) -> str:
    """The digest of the image that a node was given last: its plan may have pulled what nobody knew yet."""
    return given_fact(job.world.store.load().facts.get(node, {}).get(FACT, "")).digest
