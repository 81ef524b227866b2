"""The changes that can be written to the record, and what each of them does.

A writer hands over `Change`s; `apply` says what each does, so that the store in memory and the one in a
database cannot disagree. What is remembered stands in `remembered`; its names are given out here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TypeAlias, TypeVar

from distctl.cluster.errand import Errand, ErrandState
from distctl.cluster.keys import Key
from distctl.cluster.power import Power, PowerState
from distctl.cluster.remembered import (
    EVERYWHERE,
    Event,
    Health,
    Intent,
    Known,
    Lease,
    Load,
    OperationEntry,
    OperationState,
    Pin,
    Record,
    Replica,
    Revision,
    Sized,
)
from distctl.cluster.spec import RouterId, ServerId

__all__ = [
    "EVERYWHERE",
    "AddEvent",
    "AddLoad",
    "Adopt",
    "Change",
    "DropKey",
    "DropNode",
    "DropPin",
    "DropReplica",
    "DropRouter",
    "Errand",
    "ErrandState",
    "Event",
    "Health",
    "Intent",
    "Key",
    "Known",
    "Lease",
    "Load",
    "OperationEntry",
    "OperationState",
    "Pin",
    "Power",
    "PowerState",
    "Record",
    "Replica",
    "Revision",
    "SetErrand",
    "SetFacts",
    "SetHealth",
    "SetIntent",
    "SetKey",
    "SetKnown",
    "SetOperation",
    "SetPin",
    "SetPower",
    "SetReplica",
    "SetRevision",
    "SetRouter",
    "SetSized",
    "Sized",
    "apply",
]


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
class SetSized:
    """Demand decided a count."""

    sized: Sized


@dataclass(frozen=True, slots=True)
class SetPower:
    """A node is turned off or on, or was found to be so."""

    power: Power


@dataclass(frozen=True, slots=True)
class SetErrand:
    """A command asks for a pass, or one has come further with it."""

    errand: Errand


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
    """Forget a node: its connection, intent, facts, power, health and replicas."""

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
class SetKey:
    """An API key, new or with other terms."""

    key: Key


@dataclass(frozen=True, slots=True)
class DropKey:
    """An API key is good no longer."""

    name: str


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


@dataclass(frozen=True, slots=True)
class SetOperation:
    """An operation of a plan begins or ends."""

    operation: OperationEntry


@dataclass(frozen=True, slots=True)
class AddLoad:
    """How busy a replica is; only the last hour is kept."""

    load: Load


Change: TypeAlias = (
    SetRevision
    | SetIntent
    | SetPin
    | DropPin
    | SetSized
    | SetPower
    | SetErrand
    | SetReplica
    | DropReplica
    | SetKnown
    | DropNode
    | SetRouter
    | DropRouter
    | SetKey
    | DropKey
    | SetHealth
    | SetFacts
    | Adopt
    | AddEvent
    | SetOperation
    | AddLoad
)

Name = TypeVar("Name")
Value = TypeVar("Value")


def apply(record: Record, change: Change) -> Record:
    """The record after one change. Pure; events, operations and loads are kept by the store alone."""
    return _after(change, record)


def _without(items: Mapping[Name, Value], key: Name) -> dict[Name, Value]:
    return {k: v for k, v in items.items() if k != key}


def _others(record: Record, server: ServerId, model: str) -> frozenset[Replica]:
    return frozenset(r for r in record.replicas if (r.server, r.model) != (server, model))


@singledispatch
def _after(change: object, record: Record) -> Record:
    raise TypeError(f"not a change of the record: {change!r}")


@_after.register(AddEvent)
@_after.register(SetOperation)
@_after.register(AddLoad)
def _(change: AddEvent | SetOperation | AddLoad, record: Record) -> Record:
    return record


@_after.register
def _(change: SetRevision, record: Record) -> Record:
    return replace(record, revision=change.revision)


@_after.register
def _(change: SetIntent, record: Record) -> Record:
    intents = _without(record.intents, change.intent.node)
    if change.intent.cordoned or change.intent.draining:
        intents[change.intent.node] = change.intent
    return replace(record, intents=intents)


@_after.register
def _(change: SetPin, record: Record) -> Record:
    return replace(record, pins={**record.pins, change.pin.model: change.pin})


@_after.register
def _(change: DropPin, record: Record) -> Record:
    return replace(record, pins=_without(record.pins, change.model))


@_after.register
def _(change: SetSized, record: Record) -> Record:
    return replace(record, sized={**record.sized, change.sized.model: change.sized})


@_after.register
def _(change: SetPower, record: Record) -> Record:
    return replace(record, powers={**record.powers, change.power.node: change.power})


@_after.register
def _(change: SetErrand, record: Record) -> Record:
    errands = _without(record.errands, change.errand.id)
    if not change.errand.over:
        errands[change.errand.id] = change.errand
    return replace(record, errands=errands)


@_after.register
def _(change: SetReplica, record: Record) -> Record:
    kept = _others(record, change.replica.server, change.replica.model)
    return replace(record, replicas=kept | {change.replica})


@_after.register
def _(change: DropReplica, record: Record) -> Record:
    return replace(record, replicas=_others(record, change.server, change.model))


@_after.register
def _(change: SetKnown, record: Record) -> Record:
    return replace(record, known={**record.known, change.known.node: change.known})


@_after.register
def _(change: DropNode, record: Record) -> Record:
    return replace(
        record,
        known=_without(record.known, change.node),
        intents=_without(record.intents, change.node),
        facts=_without(record.facts, change.node),
        powers=_without(record.powers, change.node),
        health={k: v for k, v in record.health.items() if k.node != change.node},
        replicas=frozenset(r for r in record.replicas if r.server.node != change.node),
    )


@_after.register
def _(change: SetRouter, record: Record) -> Record:
    return replace(record, routers=record.routers | {change.router})


@_after.register
def _(change: DropRouter, record: Record) -> Record:
    return replace(record, routers=record.routers - {change.router})


@_after.register
def _(change: SetKey, record: Record) -> Record:
    return replace(record, keys={**record.keys, change.key.name: change.key})


@_after.register
def _(change: DropKey, record: Record) -> Record:
    return replace(record, keys=_without(record.keys, change.name))


@_after.register
def _(change: SetHealth, record: Record) -> Record:
    return replace(record, health={**record.health, change.health.server: change.health})


@_after.register
def _(change: SetFacts, record: Record) -> Record:
    return replace(record, facts={**record.facts, change.node: change.facts})


@_after.register
def _(change: Adopt, record: Record) -> Record:
    return replace(record, id=change.id, generation=max(record.generation, change.generation))
