"""What one look at the cluster found: frozen, complete, and what every policy reads.

A thing that could not be looked at is marked so (`error`), never left out: absence of news is a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from distctl.cluster.needs import Lock
from distctl.cluster.router import RouterSight
from distctl.cluster.shared import AddressSight
from distctl.cluster.spec import RouterId, ServerId

Instant = float  # seconds since the epoch, of the observer's clock


class ModelState(str, Enum):
    """A model's state in one server, in Triton's words."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"
    ABSENT = "ABSENT"


@dataclass(frozen=True, slots=True)
class ReplicaSight:
    """One model in one server: its state and Triton's reason for it."""

    state: ModelState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is: boot id, pid and start time, since names and pids are used again."""

    boot: str
    pid: int
    started: int  # clock ticks after boot, field 22 of /proc/PID/stat


@dataclass(frozen=True, slots=True)
class UnitSight:
    """What a node says of one unit of ours (a server or a router): its files and its process."""

    name: str
    run_digest: str = ""  # SHA-256 of the start script
    settings: str = ""  # what the running process was started with, models aside
    process: Identity | None = None  # None: not running
    wanted_up: bool = False  # whether it is meant to be running, so restarted after a crash or boot
    ports: tuple[int, ...] = ()  # those that it was given, where its process is not the one that listens
    restarts: int = 0  # how often its supervisor started it again since it last ran for half a minute


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner file: whose this node is, and how far it was changed."""

    cluster: str
    record: str
    generation: int
    by: str = ""  # user@host of the last change
    at: Instant = 0.0
    until: Instant = 0.0  # the holder's lease expiry while it works; 0 when it has finished
    intents: str = ""  # JSON, so that a lost record can be rebuilt
    run: str = ""  # the process that changed it last: two copies of one record may count the same generation


@dataclass(frozen=True, slots=True)
class Service:
    """What a server has done for a model: requests, and the seconds that its backend needed for them."""

    count: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds that requests waited in the server's queue
    failed: int = 0

    @property
    def each(self) -> float:
        """Seconds for one request, without the time that it waited in the server's queue."""
        return self.seconds / self.count if self.count else 0.0


class Silence(str, Enum):
    """How a server does not answer; NONE for one that does, and where nobody can tell."""

    NONE = ""
    REFUSED = "refused"  # its machine says that nothing listens there
    MUTE = "mute"  # it takes the connection and says nothing
    LOST = "lost"  # no packet comes back


@dataclass(frozen=True, slots=True)
class ProbeSight:
    """What became of the made-up requests that a replica was sent: how many failed in a row, and since when.

    `answered` is when it last answered one; requests of clients do not count.
    """

    failures: int = 0
    since: Instant = 0.0
    answered: Instant = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class GpuUse:
    """How much of a GPU is used: a share of its time, from 0 to 1, and bytes of its memory."""

    busy: float = 0.0
    used: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """What a server's metrics say of its machine. `cpu` is a share from 0 to 1; None where it is not told."""

    cpu: float | None = None
    used: int = 0  # bytes of the machine's memory
    total: int = 0
    gpus: Mapping[str, GpuUse] = field(default_factory=dict)  # by UUID; none on a CPU


@dataclass(frozen=True, slots=True)
class ServerSight:
    """One Triton as it answered, or why and how it did not.

    One that is live and has an `error` answers to health, and cannot be believed in what the error names.
    What is asked less often than `live` is kept from its last answer. `at` is 0 in a look without a history.
    `inside` is how one that does not answer here does so on its own node, None where nobody asked there.
    """

    id: ServerId
    live: bool = False
    ready: bool = False
    replicas: Mapping[str, ReplicaSight] = field(default_factory=dict)
    error: str = ""
    gpus: tuple[str, ...] = ()  # the UUIDs that its metrics name; none where it was not asked, or says none
    service: Mapping[str, Service] = field(default_factory=dict)  # by model, since the server started
    pending: Mapping[str, int] = field(default_factory=dict)  # by model: requests in the server's own queue
    use: Use = Use()
    probes: Mapping[str, ProbeSight] = field(default_factory=dict)  # by model, of those that are probed
    at: Instant = 0.0  # when it answered last, or was found not to
    silence: Silence = Silence.NONE
    inside: Silence | None = None


@dataclass(frozen=True, slots=True)
class NodeSight:
    """One node as it was seen over its connector, or why it was not."""

    name: str
    reachable: bool
    error: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    units: Mapping[str, UnitSight] = field(default_factory=dict)
    runtimes: frozenset[str] = frozenset()  # digests of the runtimes that are installed whole, images of ours
    images: Mapping[str, str] = field(default_factory=dict)  # every image there: its names to its digest
    models: Mapping[str, frozenset[str]] = field(default_factory=dict)  # model to digests stored whole
    links: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (server, model) to digest
    environments: frozenset[str] = frozenset()  # digests of those that are installed whole
    locks: Mapping[tuple[str, str], Lock] = field(
        default_factory=dict
    )  # of stored (model, digest) with needs


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was seen in one look."""

    at: Instant
    nodes: Mapping[str, NodeSight] = field(default_factory=dict)
    servers: Mapping[ServerId, ServerSight] = field(default_factory=dict)
    routers: Mapping[RouterId, RouterSight] = field(default_factory=dict)
    addresses: Mapping[RouterId, AddressSight] = field(default_factory=dict)  # of routers that share one
