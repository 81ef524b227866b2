"""The changes that can be written to the record, one after another. `record.apply` says what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from distctl.cluster.errand import Errand
from distctl.cluster.hours import Hour
from distctl.cluster.keys import Key
from distctl.cluster.power import Power
from distctl.cluster.remembered import (
    Event,
    Health,
    Intent,
    Known,
    Load,
    OperationEntry,
    Pin,
    Replica,
    Revision,
    Sized,
)
from distctl.cluster.spec import RouterId, ServerId


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


@dataclass(frozen=True, slots=True)
class AddHour:
    """A minute more of an hour; which hours are kept stands in `hours`."""

    hour: Hour


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
    | AddHour
)
