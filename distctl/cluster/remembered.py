"""What the store remembers, as frozen data.

Intent (what an operator said of a node or a model) is kept apart from observation (what was seen). The
changes that may be written to it stand in `record`, which gives these names out as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from distctl.cluster.errand import Errand
from distctl.cluster.keys import Key
from distctl.cluster.power import Power, PowerState
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


EVERYWHERE = "*"  # in place of a node's name: the whole cluster is taken down, until the next `up`


@dataclass(frozen=True, slots=True)
class Intent:
    """What an operator said of a node. `stopped`: once it is drained, its servers are stopped too.

    `node` may also name a router on one place, as `main@lb01`; `stopped`: it is removed once drained.
    """

    node: str
    cordoned: bool = False
    draining: bool = False
    why: str = ""
    by: str = ""
    since: Instant = 0.0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """A count set by `scale` that the file does not overrule. `over` is the file's number at that time.

    `model` may also name the places of a router, as `router main`.
    """

    model: str
    count: int
    over: int
    why: str = ""
    by: str = ""
    since: Instant = 0.0


@dataclass(frozen=True, slots=True)
class Sized:
    """A count that demand decided, and why. `asked` is what demand asked for, more than could be placed."""

    model: str
    count: int
    asked: int
    why: str = ""
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
    since: Instant = 0.0


class OperationState(str, Enum):
    """How far an operation of a plan came. One that is RUNNING and has no holder was interrupted."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class OperationEntry:
    """One operation of a plan as it is kept for resuming and for the audit.

    `plan` is the plan's id, `number` counts its operations from 1, `what` says what is to be done (text
    or JSON, the writer's choice), `outcome` how it ended, in words. Times are 0 until they are known.
    """

    plan: str
    number: int
    what: str
    state: OperationState = OperationState.PLANNED
    started: Instant = 0.0
    ended: Instant = 0.0
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy one model in one server was at an instant: requests in flight and queued, and those answered
    since the server started."""

    server: ServerId
    model: str
    at: Instant
    in_flight: int = 0
    queued: int = 0
    total: int = 0


@dataclass(frozen=True)
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
    keys: Mapping[str, Key] = field(default_factory=dict)  # API keys by name
    sized: Mapping[str, Sized] = field(default_factory=dict)  # by model
    powers: Mapping[str, Power] = field(default_factory=dict)  # by node, of those that are turned off and on
    errands: Mapping[str, Errand] = field(default_factory=dict)  # by id: those that are not over
    # How many commits have changed what is wanted (`cluster.serial`); no part of what the record says.
    serial: int = field(default=0, compare=False)

    @property
    def taken_down(self) -> bool:
        """Whether an operator has taken the cluster down, or is at it: nobody else brings anything up."""
        return EVERYWHERE in self.intents

    @cached_property
    def shut(self) -> frozenset[str]:
        """The nodes that are off on purpose, or on their way there: nothing is wanted of them."""
        return frozenset(name for name, power in self.powers.items() if power.shut)

    @cached_property
    def asleep(self) -> frozenset[str]:
        """The nodes that are not on by intent: those that are `shut`, and those that are only coming."""
        return frozenset(n for n, power in self.powers.items() if power.state is not PowerState.ON)

    @cached_property
    def places(self) -> Mapping[tuple[ServerId, str], Replica]:
        """The replicas by server and model."""
        return {(replica.server, replica.model): replica for replica in self.replicas}

    @cached_property
    def placed(self) -> Mapping[ServerId, Sequence[str]]:
        """By server: the models that are meant to be there, sorted."""
        return _by_server(self.places)

    @cached_property
    def closed(self) -> Mapping[ServerId, Sequence[str]]:
        """By server: the models that are placed there and that no router is to send there, sorted."""
        return _by_server(place for place, one in self.places.items() if one.slot is SlotState.OFF)

    def replica(self, server: ServerId, model: str) -> Replica | None:
        """The replica of a model in a server, if the record has one."""
        return self.places.get((server, model))


def _by_server(places: Iterable[tuple[ServerId, str]]) -> Mapping[ServerId, Sequence[str]]:
    found: dict[ServerId, list[str]] = {}
    for server, model in sorted(places):
        found.setdefault(server, []).append(model)
    return found
