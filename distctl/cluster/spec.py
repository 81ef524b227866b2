"""What is wanted: the inventory, resolved. Frozen data, no I/O.

Every node stands here with its own settings: groups and the top level have been merged already
(`config` does that), so that nothing below has to know about precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal, TypeVar

from distctl.cluster.healing import HealingSpec
from distctl.cluster.image import NVIDIA
from distctl.cluster.model_spec import Admission, ModelSpec, Policy, PrefixSpec, RequestTimeouts, Source
from distctl.cluster.names import Endpoint, RouterId, SecretRef, ServerId
from distctl.cluster.power import PowerSpec
from distctl.cluster.router_spec import Limits, LogSpec, RouterSpec, TlsSpec
from distctl.cluster.scaling import Autoscale, Hold, Schedule

__all__ = [
    "MOST_DEVICES",
    "PORT_STEP",
    "Admission",
    "Autoscale",
    "Become",
    "Connection",
    "Container",
    "Endpoint",
    "Hold",
    "Limits",
    "LogSpec",
    "Login",
    "ModelSpec",
    "Node",
    "PerDevice",
    "Policy",
    "PowerSpec",
    "PrefixSpec",
    "RequestTimeouts",
    "RouterId",
    "RouterSpec",
    "Runtime",
    "RuntimeKind",
    "Schedule",
    "SecretRef",
    "Server",
    "ServerId",
    "Source",
    "Spec",
    "SshSettings",
    "StoreSpec",
    "Timeouts",
    "TlsSpec",
    "nth_server",
]

PORT_STEP = 10  # from one server of a node to the next
MOST_DEVICES = 128  # of a node: 16 GPUs of 7 MIG devices each, and some


class Connection(str, Enum):
    """How commands reach a node."""

    SSH = "ssh"
    LOCAL = "local"


class RuntimeKind(str, Enum):
    """What a server runs as."""

    BINARY = "binary"
    CONTAINER = "container"
    EXTERNAL = "external"  # runs already: routed, watched, drained; never started or stopped


@dataclass(frozen=True, slots=True)
class Become:
    """Run commands as root by sudo: without a password, or with this one on standard input."""

    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class SshSettings:
    """What the inventory says of ssh; None is left to ~/.ssh/config and the agent."""

    user: str | None = None
    port: int | None = None
    key: Path | None = None
    password: SecretRef | None = None
    jump: tuple[str, ...] | None = None  # hops in order, each [user@]host[:port]; () is none
    host_keys: Literal["strict", "accept-new"] = "strict"
    known_hosts: Path | None = None
    config: Path | None = None  # instead of ~/.ssh/config
    become: Become | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Who a registry knows us as."""

    user: str
    password: SecretRef


@dataclass(frozen=True, slots=True)
class Container:
    """How a server's container is made, where the runtime is one.

    `network` is `host`, or the name of an engine's network, into which the ports are published. `volumes`
    are `PATH`, or `PATH:PLACE[:ro|rw]`; `ulimits` map a name to `SOFT[:HARD]`; `shm` is in bytes.
    """

    engine: Literal["docker", "podman"] | None = None  # None: what the node has, docker first
    image: str = NVIDIA
    login: Login | None = None
    network: str = "host"
    ipc: str = "private"
    shm: int = 1024**3  # NVIDIA's advice for Triton's image; an engine's own 64 MB is too small for stubs
    ulimits: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # of the engine's `run`


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a node's servers run as, and where the binary comes from.

    `path` is an existing tritonserver folder on the node; None is the one inside the nvidia-pytriton wheel.
    `environment` is added to the server's otherwise clean environment, or to the image's; `arguments` to its
    command line. `container` matters for that kind alone.
    """

    kind: RuntimeKind = RuntimeKind.BINARY
    path: str | None = None
    python: str | None = None  # the node's interpreter for the python backend; None: the best one found
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    container: Container = Container()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Upper bounds in seconds for the things that take long on a node."""

    connect: float = 10.0
    start: float = 120.0
    load: float = 600.0
    drain: float = 300.0
    pull: float = 1800.0  # NVIDIA's image has some 10 GB


@dataclass(frozen=True, slots=True)
class Server:
    """One Triton process: who it is and where it is reached. Ports are those of Triton itself.

    `gpus` are the devices that it sees, by UUID (of a GPU or a MIG device), or by number as long as nobody
    has looked at the node; None is all of them.
    """

    id: ServerId
    host: str  # the node's serve address
    http_port: int
    grpc_port: int
    metrics_port: int
    gpus: tuple[str, ...] | None = None

    @property
    def http(self) -> Endpoint:
        """Where REST is answered."""
        return Endpoint(self.host, self.http_port)

    @property
    def grpc(self) -> Endpoint:
        """Where gRPC is answered."""
        return Endpoint(self.host, self.grpc_port)

    @property
    def metrics(self) -> Endpoint:
        """Where Prometheus metrics are answered."""
        return Endpoint(self.host, self.metrics_port)


def nth_server(
    node: str, host: str, first_port: int, number: int, gpus: tuple[str, ...] | None = None
) -> Server:
    """The server of that number on a node: each has the ports ten after those of the one before."""
    port = first_port + PORT_STEP * number
    return Server(ServerId(node, str(number)), host, port, port + 1, port + 2, gpus)


@dataclass(frozen=True, slots=True)
class PerDevice:
    """One server for each device of a node: only a look at it says how many (see `policy.devices`).

    `gpus` are the numbers of the GPUs whose MIG devices are meant; None is every GPU.
    """

    kind: Literal["gpu", "mig"]
    first_port: int
    gpus: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return "one per GPU" if self.kind == "gpu" else "one per MIG device"


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the inventory with every setting resolved.

    With `per_device` its servers are those that its facts gave so far, and none before the first look.
    """

    name: str
    connection: Connection
    address: str
    serve_address: str
    ssh: SshSettings = SshSettings()
    runtime: Runtime = Runtime()
    servers: tuple[Server, ...] = ()
    per_device: PerDevice | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    directory: str | None = None  # where distctl keeps what it puts there; None: the default of the account
    power: PowerSpec | None = None  # None: it is never turned off

    @property
    def external(self) -> bool:
        """Whether its servers run without us."""
        return self.runtime.kind is RuntimeKind.EXTERNAL

    @property
    def serves(self) -> bool:
        """Whether servers are meant to run there, known yet or not."""
        return bool(self.servers) or self.per_device is not None

    @property
    def contained(self) -> bool:
        """Whether there are servers of it that run in containers."""
        return self.runtime.kind is RuntimeKind.CONTAINER and self.serves


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """Where the record is: a SQLAlchemy URL without a password, and where to read that password."""

    url: str
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """All that one inventory asks for."""

    cluster: str
    nodes: tuple[Node, ...]
    models: tuple[ModelSpec, ...] = ()
    routers: tuple[RouterSpec, ...] = ()
    directory: str | None = None  # as on a node, for this machine where it is a router's place and no node
    healing: HealingSpec = field(default_factory=HealingSpec)

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        return _named(self.nodes, name)

    def model(self, name: str) -> ModelSpec:
        """The model of that name; KeyError if there is none."""
        return _named(self.models, name)

    def router(self, name: str) -> RouterSpec:
        """The router of that name; KeyError if there is none."""
        return _named(self.routers, name)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server of every node, in the inventory's order."""
        return tuple(server for node in self.nodes for server in node.servers)

    @property
    def router_ids(self) -> tuple[RouterId, ...]:
        """Every router process that is wanted."""
        return tuple(RouterId(router.name, place) for router in self.routers for place in router.on)


Named = TypeVar("Named", Node, ModelSpec, RouterSpec)


def _named(items: Iterable[Named], name: str) -> Named:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
