"""The view that a router is made from: one frozen value in, one configuration out.

A pool is a model's servers; a slot is one server of a pool. Every server that may ever serve a model has
its slot, named after the server, so that membership changes over the runtime socket alone; only a new
pool or a new server changes the configuration's structure and needs a reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from distctl.cluster.keys import Key
from distctl.cluster.router_spec import NO_LOG
from distctl.cluster.scaling import Hold
from distctl.cluster.spec import (
    Admission,
    Endpoint,
    Limits,
    LogSpec,
    Policy,
    PrefixSpec,
    RequestTimeouts,
    RouterId,
    ServerId,
)


class SlotState(str, Enum):
    """What a slot is wanted to be."""

    OFF = "off"  # no replica there: HAProxy's maint
    READY = "ready"  # takes requests
    DRAIN = "drain"  # takes no new request; what is in flight ends


@dataclass(frozen=True, slots=True)
class Slot:
    """One server of a pool. `host` is an IP address: HAProxy's socket takes no names."""

    server: ServerId
    host: str
    http_port: int
    grpc_port: int
    state: SlotState = SlotState.OFF
    weight: int = 100


NO_TIMEOUTS = RequestTimeouts()


@dataclass(frozen=True, slots=True)
class Sequences:
    """What a router has to know of a model's sequences."""

    idle: float = 3600.0  # seconds without a request after which a server forgets one
    places: int = 0  # how many may be open in one server at once; 0: not known, so not bounded


@dataclass(frozen=True, slots=True)
class Pool:
    """A model's slots, and how a slot is chosen for a request.

    `replay`: a unary request whose answer was lost may be sent to one other server. `prefix` is there for
    the policy of that name alone. `admission`, where there is one, has a concurrency.
    """

    model: str
    slots: tuple[Slot, ...]
    replay: bool = True
    policy: Policy = "least-load"
    prefix: PrefixSpec | None = None
    sequences: Sequences = Sequences()
    timeouts: RequestTimeouts = NO_TIMEOUTS
    hold: Hold | None = None
    admission: Admission | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """What a router shows, as PEM: certificate with chain and private key; and whose clients may come."""

    certificate: str
    key: str = field(repr=False)
    client_ca: str = ""


@dataclass(frozen=True, slots=True)
class CheckTimes:
    """How sharply servers are checked, in milliseconds; policy computes it from round trip and slots."""

    interval: int = 200
    fast: int = 50
    timeout: int = 200
    connect: int = 100
    fall: int = 2
    rise: int = 2

    @property
    def down(self) -> int:
        """Between two checks of a server that is down: somebody may be waiting for it."""
        return max(self.fast, self.interval // 4)


@dataclass(frozen=True, slots=True)
class Peer:
    """One place of a router that has several: they tell each other which server has which sequence."""

    place: str
    endpoint: Endpoint  # an IP address


@dataclass(frozen=True, slots=True)
class RouterView:
    """All that a router's configuration says."""

    id: RouterId
    cluster: str
    bind: str
    http_port: int
    grpc_port: int
    metrics_port: int
    pools: tuple[Pool, ...]  # sorted by model
    replay_limit: int = 128 * 1024  # bytes
    checks: CheckTimes = CheckTimes()
    maxconn: int = 4000
    threads: int | None = None  # None: HAProxy's own choice
    tls: Tls | None = None
    keys: tuple[Key, ...] | None = None  # sorted by name; None: nobody is asked for one
    limits: Limits = field(default_factory=Limits)
    needed: tuple[str, ...] = ()  # the models without which it is not ready, sorted; (): any server is enough
    log: LogSpec = NO_LOG  # of requests
    drops_root: bool = False  # root starts it: its workers become nobody, in a folder with two sockets alone
    peers: tuple[Peer, ...] = ()  # every place of the router, this one too; none where there is one alone
    draining: bool = False  # it is to end: its health path says so first


@dataclass(frozen=True, slots=True)
class SlotSight:
    """What a router says of one slot, REST, gRPC and every worker process summed."""

    state: SlotState
    healthy: bool  # its last check passed
    in_flight: int
    queued: int
    check: str = ""  # HAProxy's own words for the last check, such as L7OK/200
    total: int = 0  # requests since the worker started


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that was lost with every server that it was sent to: two of them at most."""

    at: float  # seconds since the epoch, by the router's clock
    model: str
    request: str  # its x-request-id, empty when it had none
    client: str
    servers: tuple[ServerId, ...]  # the last one that it was sent to, and those that went down around then


@dataclass(frozen=True)
class RouterSight:
    """What was seen of one router.

    `structure` names the pools and servers that the running worker was started with; `config` is the
    digest of the file on disk. `old_workers` still serve clients after a reload. `stopping`: it takes no new
    connection and ends with its last one. `outdated` says why it runs another HAProxy than it should.
    """

    id: RouterId
    running: bool
    error: str = ""
    pid: int = 0
    structure: str = ""
    config: str = ""
    slots: tuple[tuple[str, ServerId, SlotSight], ...] = ()  # (model, server, sight)
    old_workers: tuple[int, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)  # by model: requests that wait for a server
    lost: tuple[Lost, ...] = ()  # the newest that its log still has
    stopping: bool = False
    outdated: str = ""

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, ServerId], SlotSight]:
        return {(model, server): sight for model, server, sight in self.slots}

    @property
    def busy(self) -> int:
        """How many requests are in flight or wait there."""
        slots = sum(slot.in_flight + slot.queued for _, _, slot in self.slots)
        return slots + sum(self.held.values())

    def slot(self, model: str, server: ServerId) -> SlotSight | None:
        """What this router says of a slot; None if it has no such slot."""
        return self._by_place.get((model, server))
