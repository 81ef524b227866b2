"""What is wanted, worked out as far as it can be without looking at the cluster again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from distctl.cluster.image import Pinned
from distctl.cluster.record import Record, Replica
from distctl.cluster.router import SlotState
from distctl.cluster.shared import AddressView, Unfit
from distctl.cluster.snapshot import ModelState, Snapshot
from distctl.cluster.spec import Node, RouterId, Server, ServerId, Spec
from distctl.policy.counts import Count, counts
from distctl.policy.devices import all_lost
from distctl.policy.health import gone_servers
from distctl.policy.lives import RUN, Fate
from distctl.policy.placement import Ground, Place, Placement, place


@dataclass(frozen=True)
class Wish:
    """The spec with every derived number: what `diff` compares a snapshot with.

    `contents` maps a model to its folder's digest, "" when Triton reads a path of the node's own; `runtimes`
    maps a node to the runtime it needs, `images` to the image where that is one, `environments` to those
    that its models need, by model; `unresolved` maps a model to the reason why nobody knows yet what it
    needs; `settings` maps a server to the digest of how it is to be started, models aside; `scripts` a
    server to the digest of its whole start script; `structures` a router to the digest of its pools and
    servers while replicas join and leave (`growing`), `settled` of those at the end; `configs` a router to
    the digest of its file as the record has it now. `awaited` are draining nodes whose last request somebody
    waits for; unless it is `attended`, no step waits for what comes up by itself; `gone` are servers that
    nobody has reached for long; `stateful` are models whose open sequences and streams a new
    version in their place would end; `unread` says of models why nothing is known of their state.
    `addresses` are what keepalived is to be on places that share one, `address_settings` the words for it
    that running ones show; `unshared` says of places why they cannot.
    """

    spec: Spec
    counts: Mapping[str, Count]
    placement: Placement
    contents: Mapping[str, str] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unresolved: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Pinned] = field(default_factory=dict)
    settings: Mapping[ServerId, str] = field(default_factory=dict)
    scripts: Mapping[ServerId, str] = field(default_factory=dict)
    structures: Mapping[RouterId, str] = field(default_factory=dict)
    settled: Mapping[RouterId, str] = field(default_factory=dict)
    configs: Mapping[RouterId, str] = field(default_factory=dict)
    leaving: tuple[Node, ...] = ()  # nodes that left the file, as the record knows them
    retired: tuple[Server, ...] = ()  # servers that left nodes which stay
    left: tuple[RouterId, ...] = ()  # routers that left it and can be told what to be
    prune: bool = False
    awaited: frozenset[str] = frozenset()
    attended: bool = True
    gone: frozenset[ServerId] = frozenset()
    stateful: frozenset[str] = frozenset()
    lost: Mapping[ServerId, str] = field(default_factory=dict)  # servers without their devices, and why
    unread: Mapping[str, str] = field(default_factory=dict)
    fates: Mapping[RouterId, Fate] = field(default_factory=dict)  # absent: it is to run
    addresses: Mapping[RouterId, AddressView] = field(default_factory=dict)
    address_settings: Mapping[RouterId, str] = field(default_factory=dict)
    unshared: Mapping[RouterId, Unfit] = field(default_factory=dict)

    @cached_property
    def _models(self) -> Mapping[ServerId, tuple[str, ...]]:
        found = defaultdict[ServerId, list[str]](list)
        for server, model in sorted(self.placement.serving | self.placement.resting):
            found[server].append(model)
        return {server: tuple(models) for server, models in found.items()}

    def models_of(self, server: ServerId) -> tuple[str, ...]:
        """Every model that is meant to be loaded in a server, sorted."""
        return self._models.get(server, ())

    def fate(self, router: RouterId) -> Fate:
        """What a router is to do."""
        return self.fates.get(router, RUN)

    def wants(self, model: str) -> bool:
        """Whether at least one replica of a model is wanted."""
        return model in self.counts and self.counts[model].number > 0


def answering(snapshot: Snapshot) -> frozenset[Place]:
    """Every model that is ready in a server that answers."""
    return frozenset(
        (server, model)
        for server, sight in snapshot.servers.items()
        for model, replica in sight.replicas.items()
        if replica.state is ModelState.READY
    )


def unreachable(spec: Spec, snapshot: Snapshot) -> frozenset[str]:
    """The nodes of ours that could not be looked at."""
    sights = snapshot.nodes
    return frozenset(
        n.name
        for n in spec.nodes
        if not n.external and (n.name not in sights or not sights[n.name].reachable)
    )


def wanted_placement(spec: Spec, record: Record, snapshot: Snapshot) -> tuple[dict[str, Count], Placement]:
    """How many replicas each model gets, and where."""
    numbers = counts(spec, record.pins, record.sized)
    ground = ground_of(spec, record, snapshot)
    return numbers, place(spec, {name: count.number for name, count in numbers.items()}, ground)


def room(spec: Spec, record: Record, snapshot: Snapshot) -> Placement:
    """Where replicas would be with all nodes on that are off on purpose, or not on yet."""
    numbers = counts(spec, record.pins, record.sized)
    ground = ground_of(spec, record, snapshot)
    awake = replace(ground, off=frozenset(), unreachable=ground.unreachable - record.asleep)
    return place(spec, {name: count.number for name, count in numbers.items()}, awake)


def ground_of(spec: Spec, record: Record, snapshot: Snapshot) -> Ground:
    """What placement finds: the record's replicas and intents, and what was seen."""
    external = {node.name for node in spec.nodes if node.external}
    answers = answering(snapshot)
    shut = {place for place, replica in record.places.items() if replica.slot is SlotState.OFF}
    return Ground(
        existing=frozenset(record.places),
        outside=frozenset(p for p in answers if p[0].node in external),
        answering=answers - shut,
        draining=frozenset(i.node for i in record.intents.values() if i.draining),
        cordoned=frozenset(i.node for i in record.intents.values() if i.cordoned),
        unreachable=unreachable(spec, snapshot),
        off=record.shut,
        lost=frozenset(all_lost(spec, record.facts)),
        gone=gone_servers(record, snapshot),
        busy=_busy(snapshot),
    )


def _busy(snapshot: Snapshot) -> Mapping[Place, int]:
    """What every router has in flight and queued at each replica."""
    found = Counter[Place]()
    for router in snapshot.routers.values():
        for model, server, slot in router.slots:
            found[server, model] += slot.in_flight + slot.queued
    return found


def growing(record: Record, placement: Placement) -> Record:
    """The record with every wanted replica in it, and those that leave: what routers know meanwhile."""
    new = {Replica(*p) for p in placement.serving if p not in record.places}
    return replace(record, replicas=record.replicas | new)


def settled(spec: Spec, record: Record, placement: Placement, *, prune: bool) -> Record:
    """The record as it is once the plan was carried out: what routers know in the end.

    Models, servers and nodes that left the file stay until they are pruned.
    """
    models = {model.name for model in spec.models}
    nodes = {node.name for node in spec.nodes}
    servers = {server.id for server in spec.servers}
    external = {node.name for node in spec.nodes if node.external}
    wanted = placement.serving | placement.resting

    def stays(replica: Replica) -> bool:
        if replica.server.node in external or (replica.server, replica.model) in wanted:
            return True
        return not prune and (replica.model not in models or replica.server not in servers)

    whole = growing(record, placement)
    known = {name: known for name, known in record.known.items() if not prune or name in nodes}
    return replace(whole, replicas=frozenset(r for r in whole.replicas if stays(r)), known=known)
