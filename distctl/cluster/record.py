"""What the store remembers, and the changes that can be written to it.

A `Record` is one frozen reading of the store. A writer hands over `Change`s; `apply` says what each does,
so that the store in memory and the one in a database cannot disagree. Intent (what an operator said of a
node or a model) is kept apart from observation (what was seen).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import RouterId, ServerId


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of the spec, with who wrote it, when and why. `document` is JSON."""

    number: int
    document: str
    author: str
    at: Instant
    message: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """What an operator said of a node."""

    node: str
    cordoned: bool = False
    draining: bool = False
    why: str = ""
    by: str = ""
    since: Instant = 0.0


@dataclass(frozen=True, slots=True)
class Pin:
    """A count set by `scale` that the file does not overrule. `over` is the file's number at that time."""

    model: str
    count: int
    over: int
    why: str = ""
    by: str = ""
    since: Instant = 0.0


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One model placed in one server: which content it has, and what its slot is meant to be."""

    server: ServerId
    model: str
    digest: str = ""  # of the model folder; empty when Triton reads a path that is not ours
    slot: SlotState = field(default=SlotState.OFF, compare=False)


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on a server after rise and fall, with its reason and since when."""

    server: ServerId
    state: str
    reason: str
    since: Instant


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in a sentence. `kind` is a word such as drain, up, health."""

    at: Instant
    kind: str
    subject: str
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A node as it was when we last changed it: how to reach it once it has left the file. JSON of a Node."""

    node: str
    document: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change the cluster. `token` grows with each holder and is shown at each write."""

    owner: str
    token: int
    expires: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """One reading of the store."""

    id: str  # the record's own id, also written on each node
    generation: int = 0
    revision: Revision | None = None
    intents: Mapping[str, Intent] = field(default_factory=dict)
    pins: Mapping[str, Pin] = field(default_factory=dict)
    replicas: frozenset[Replica] = frozenset()
    known: Mapping[str, Known] = field(default_factory=dict)
    routers: frozenset[RouterId] = frozenset()  # launched by us and not stopped
    health: Mapping[ServerId, Health] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # node to facts

    def replica(self, server: ServerId, model: str) -> Replica | None:
        """The replica of a model in a server, if the record has one."""
        for replica in self.replicas:
            if replica.server == server and replica.model == model:
                return replica
        return None


@dataclass(frozen=True, slots=True)
class SetRevision:
    """A new version of the spec."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class SetIntent:
    """An operator's word on a node; one that is neither cordoned nor draining ends it."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class SetPin:
    """Keep a count."""

    pin: Pin


@dataclass(frozen=True, slots=True)
class DropPin:
    """Return to the file's count."""

    model: str


@dataclass(frozen=True, slots=True)
class SetReplica:
    """Place a replica, or change its digest or slot."""

    replica: Replica


@dataclass(frozen=True, slots=True)
class DropReplica:
    """A replica is gone."""

    server: ServerId
    model: str


@dataclass(frozen=True, slots=True)
class SetKnown:
    """Remember how a node is reached."""

    known: Known


@dataclass(frozen=True, slots=True)
class DropNode:
    """Forget a node: its connection, intent, facts, health and replicas."""

    node: str


@dataclass(frozen=True, slots=True)
class SetRouter:
    """A router of ours runs."""

    router: RouterId


@dataclass(frozen=True, slots=True)
class DropRouter:
    """A router of ours was stopped."""

    router: RouterId


@dataclass(frozen=True, slots=True)
class SetHealth:
    """A server's verdict changed."""

    health: Health


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What was read from a node."""

    node: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over the id and generation that the nodes carry: this record was lost or is new."""

    id: str
    generation: int


@dataclass(frozen=True, slots=True)
class AddEvent:
    """Something worth remembering."""

    event: Event


Change: TypeAlias = (
    SetRevision
    | SetIntent
    | SetPin
    | DropPin
    | SetReplica
    | DropReplica
    | SetKnown
    | DropNode
    | SetRouter
    | DropRouter
    | SetHealth
    | SetFacts
    | Adopt
    | AddEvent
)


def _without(items: Mapping, key: object) -> dict:  # type: ignore[type-arg]
    return {k: v for k, v in items.items() if k != key}


def apply(record: Record, change: Change) -> Record:  # noqa: C901, PLR0911, PLR0912
    """The record after one change. Pure; events are kept by the store and change nothing here."""
    if isinstance(change, SetRevision):
        return replace(record, revision=change.revision)
    if isinstance(change, SetIntent):
        intents = _without(record.intents, change.intent.node)
        if change.intent.cordoned or change.intent.draining:
            intents[change.intent.node] = change.intent
        return replace(record, intents=intents)
    if isinstance(change, SetPin):
        return replace(record, pins={**record.pins, change.pin.model: change.pin})
    if isinstance(change, DropPin):
        return replace(record, pins=_without(record.pins, change.model))
    if isinstance(change, SetReplica):
        kept = {
            r for r in record.replicas if (r.server, r.model) != (change.replica.server, change.replica.model)
        }
        return replace(record, replicas=frozenset(kept | {change.replica}))
    if isinstance(change, DropReplica):
        return replace(
            record,
            replicas=frozenset(
                r for r in record.replicas if (r.server, r.model) != (change.server, change.model)
            ),
        )
    if isinstance(change, SetKnown):
        return replace(record, known={**record.known, change.known.node: change.known})
    if isinstance(change, DropNode):
        return replace(
            record,
            known=_without(record.known, change.node),
            intents=_without(record.intents, change.node),
            facts=_without(record.facts, change.node),
            health={k: v for k, v in record.health.items() if k.node != change.node},
            replicas=frozenset(r for r in record.replicas if r.server.node != change.node),
        )
    if isinstance(change, SetRouter):
        return replace(record, routers=record.routers | {change.router})
    if isinstance(change, DropRouter):
        return replace(record, routers=record.routers - {change.router})
    if isinstance(change, SetHealth):
        return replace(record, health={**record.health, change.health.server: change.health})
    if isinstance(change, SetFacts):
        return replace(record, facts={**record.facts, change.node: change.facts})
    if isinstance(change, Adopt):
        return replace(record, id=change.id, generation=max(record.generation, change.generation))
    return record
