"""What is wanted, worked out as far as it can be without looking at the cluster again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distctl.cluster.record import Record
from distctl.cluster.snapshot import ModelState, Snapshot
from distctl.cluster.spec import Node, RouterId, ServerId, Spec
from distctl.policy.counts import Count, counts
from distctl.policy.placement import Place, Placement, place


@dataclass(frozen=True, slots=True)
class Wish:
    """The spec with every derived number: what `diff` compares a snapshot with.

    `contents` maps a model to its folder's digest, "" when Triton reads a path of the node's own; `runtimes`
    maps a node to the runtime it needs; `settings` a server to the digest of how it is to be started, models
    aside; `scripts` a server to the digest of its whole start script; `structures` a router to the digest
    of its pools and servers.
    """

    spec: Spec
    counts: Mapping[str, Count]
    placement: Placement
    contents: Mapping[str, str] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[ServerId, str] = field(default_factory=dict)
    scripts: Mapping[ServerId, str] = field(default_factory=dict)
    structures: Mapping[RouterId, str] = field(default_factory=dict)
    leaving: tuple[Node, ...] = ()  # nodes that left the file, as the record knows them
    prune: bool = False

    def models_of(self, server: ServerId) -> tuple[str, ...]:
        """Every model that is meant to be loaded in a server, sorted."""
        places = self.placement.serving | self.placement.resting
        return tuple(sorted(model for owner, model in places if owner == server))


def found_outside(spec: Spec, snapshot: Snapshot) -> frozenset[Place]:
    """The models of the spec that external servers run by themselves."""
    names = {model.name for model in spec.models}
    return frozenset(
        (server.id, model)
        for node in spec.nodes
        if node.external
        for server in node.servers
        if (sight := snapshot.servers.get(server.id)) is not None
        for model, replica in sight.replicas.items()
        if model in names and replica.state is ModelState.READY
    )


def wanted_placement(spec: Spec, record: Record, snapshot: Snapshot) -> tuple[dict[str, Count], Placement]:
    """How many replicas each model gets, and where."""
    numbers = counts(spec, record.pins)
    existing = [(replica.server, replica.model) for replica in record.replicas]
    placement = place(
        spec,
        {name: count.number for name, count in numbers.items()},
        existing,
        record.intents,
        found_outside(spec, snapshot),
    )
    return numbers, placement
