"""What the passes of one diff share: inputs that are quick to ask, the draft, and who waits for whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ModelState, NodeSight, Snapshot
from distctl.cluster.spec import RouterId, Server, ServerId
from distctl.policy.placement import Place
from distctl.policy.plan import Draft, Skip
from distctl.policy.wish import Wish, answering

GONE = (ModelState.ABSENT, ModelState.UNAVAILABLE)


@dataclass
class Work:
    """One diff on its way. Steps are named by their numbers in the draft."""

    wish: Wish
    record: Record
    snapshot: Snapshot
    draft: Draft = field(default_factory=Draft)
    routers: set[int] = field(default_factory=set)  # steps that make routers know every pool
    closing: set[int] = field(default_factory=set)  # steps that stop routers which left the file
    joins: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by model
    last_reload: dict[str, int] = field(default_factory=dict)  # by model
    restarted: dict[ServerId, int] = field(default_factory=dict)  # the step that starts it again
    kept_running: set[str] = field(default_factory=set)  # nodes with a server that should start again
    emptied: set[Place] = field(default_factory=set)  # drained for a new version, to be routed again
    unloaded: set[Place] = field(default_factory=set)
    departed: set[int] = field(default_factory=set)  # steps after which pools have fewer servers
    _skipped: set[str] = field(default_factory=set)

    # --- what was seen -------------------------------------------------------------------------------

    @cached_property
    def answering(self) -> frozenset[Place]:
        """Every model that a server answers for now."""
        return answering(self.snapshot)

    @cached_property
    def serving(self) -> dict[str, set[ServerId]]:
        """By model: the servers that take requests and answer them now."""
        found = defaultdict[str, set[ServerId]](set)
        for (server, model), replica in self.record.places.items():
            if replica.slot is SlotState.READY and (server, model) in self.answering:
                found[model].add(server)
        return found

    @cached_property
    def placed(self) -> dict[ServerId, set[str]]:
        """By server: the models that the record places there."""
        found = defaultdict[ServerId, set[str]](set)
        for server, model in self.record.places:
            found[server].add(model)
        return found

    @cached_property
    def routed(self) -> dict[Place, set[RouterId]]:
        """The routers that have a slot in use for a place, whatever the record says."""
        found = defaultdict[Place, set[RouterId]](set)
        for router, sight in self.snapshot.routers.items():
            for model, server, slot in sight.slots:
                if slot.state is not SlotState.OFF:
                    found[server, model].add(router)
        return found

    @cached_property
    def _open(self) -> dict[ServerId, set[str]]:
        found = defaultdict[ServerId, set[str]](set)
        for server, model in (*self.record.places, *self.routed):
            if not self.closed((server, model)):
                found[server].add(model)
        return found

    @cached_property
    def _strangers(self) -> set[RouterId]:
        """Routers that left the file, run on, and cannot be told: nobody knows how they were made."""
        left = self.record.routers - set(self.wish.spec.router_ids) - set(self.wish.left)
        return set() if self.wish.prune else {r for r in left if r in self.snapshot.routers}

    def stopped(self, node: str) -> bool:
        """Whether an operator drained a node and wants its servers stopped."""
        intent = self.record.intents.get(node)
        return intent is not None and intent.draining and intent.stopped

    def slot(self, place: Place) -> SlotState:
        """What the record wants a slot to be."""
        replica = self.record.places.get(place)
        return replica.slot if replica else SlotState.OFF

    def closed(self, place: Place) -> bool:
        """Whether nothing sends requests to a place: there is nothing to drain."""
        return self.slot(place) is SlotState.OFF and place not in self.routed

    def open_on(self, server: ServerId) -> tuple[str, ...]:
        """The models of a server whose slots are in use, by the record or in a router."""
        return tuple(sorted(self._open.get(server, ())))

    def unwanted(self, server: Server) -> list[str]:
        """Models that a server has, or that the record places there, and that nobody wants there."""
        wanted = set(self.wish.models_of(server.id))
        seen = self.snapshot.servers.get(server.id)
        loaded = {m for m, r in seen.replicas.items() if r.state not in GONE} if seen else set()
        return sorted((loaded | self.placed.get(server.id, set())) - wanted)

    def reached(self, node: str) -> NodeSight | None:
        """What was seen of a node, or None after noting that it is left alone."""
        sight = self.snapshot.nodes.get(node)
        if sight is not None and sight.reachable:
            return sight
        if node not in self._skipped:
            self._skipped.add(node)
            self.draft.skipped.append(Skip(node, sight.error if sight else "it was not looked at"))
        return None

    # --- who may leave -------------------------------------------------------------------------------

    def before_leaving(self, models: Iterable[str]) -> set[int]:
        """The steps before requests for some models may be taken from a server: replacements join first."""
        return (self.routers | self.closing).union(*(self.joins[model] for model in models))

    def held(self, server: ServerId, models: Iterable[str]) -> bool:
        """Whether clients would lose something if these models left a server; the reader is told why."""
        users = sorted({r for m in models for r in self.routed.get((server, m), ()) if r in self._strangers})
        last = [model for model in models if not self._survives(model)]
        for router in users:
            self.draft.note(f"{server} is left as it is while {router}, which left the file, sends to it")
        for model in last:
            self.draft.note(f"{model} stays in {server}, the last that answers, until another one does")
        return bool(users or last)

    def _survives(self, model: str) -> bool:
        """Whether a model that is wanted has somebody who answers once all that leave have left."""
        if not self.wish.wants(model) or not self.serving.get(model) or self.joins[model]:
            return True
        return any((server, model) in self.wish.placement.serving for server in self.serving[model])
