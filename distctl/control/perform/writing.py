"""What several operations write down alike: nodes and replicas in the record, start scripts on nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from distctl.cluster.record import Known, Replica, SetKnown, SetReplica
from distctl.cluster.spec import Server, ServerId
from distctl.control.perform.job import Job


def keep_node(job: Job, place: str) -> None:
    """Keep how a place is reached, for the day it has left the file."""
    if place in job.documents:
        job.world.store.commit(job.token, [SetKnown(Known(place, job.documents[place]))])


def keep_replicas(job: Job, server: ServerId, models: Iterable[str]) -> None:
    """Write replicas with their wanted content, and the slots that the record has for them."""
    record = job.world.store.load()
    known = (record.replica(server, model) or Replica(server, model) for model in models)
    changes = [SetReplica(replace(r, digest=job.contents.get(r.model, ""))) for r in known]
    if changes:
        job.world.store.commit(job.token, changes)


def write_script(job: Job, server: Server, *, without: str = "", loading: Collection[str] = ()) -> None:
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
