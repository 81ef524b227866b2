"""What each change does to the record, so that the store in memory and the one in a database cannot disagree.

A writer hands over `Change`s. They stand in `changes`, and what is remembered in `remembered`; the names of
both are given out here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import TypeVar

from distctl.cluster.changes import (
    AddEvent,
    AddHour,
    AddLoad,
    Adopt,
    Change,
    DropKey,
    DropNode,
    DropPin,
    DropReplica,
    DropRouter,
    SetErrand,
    SetFacts,
    SetHealth,
    SetIntent,
    SetKey,
    SetKnown,
    SetOperation,
    SetPin,
    SetPower,
    SetReplica,
    SetRevision,
    SetRouter,
    SetSized,
)
from distctl.cluster.errand import Errand, ErrandState
from distctl.cluster.hours import Hour
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
from distctl.cluster.spec import ServerId

__all__ = [
    "EVERYWHERE",
    "AddEvent",
    "AddHour",
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
    "Hour",
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


Name = TypeVar("Name")
Value = TypeVar("Value")


def apply(record: Record, change: Change) -> Record:
    """The record after one change. Pure; events, operations, loads and hours are kept by the store alone."""
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
@_after.register(AddHour)
def _(change: AddEvent | SetOperation | AddLoad | AddHour, record: Record) -> Record:
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
