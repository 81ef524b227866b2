"""The changes that can be made, as data.

An operation names what it changes and says it in one line; how it is done stands in `control`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from distctl.cluster.spec import RouterId, ServerId


class Sign(str, Enum):
    """How a change is marked in a plan."""

    ADD = "+"
    UPDATE = "~"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class OnServer:
    """What is done to one server."""

    server: ServerId

    @property
    def node(self) -> str:
        """The node it happens on."""
        return self.server.node


@dataclass(frozen=True, slots=True)
class OnRouter:
    """What is done to one router."""

    router: RouterId

    @property
    def node(self) -> str:
        """The place it happens on."""
        return self.router.place


@dataclass(frozen=True, slots=True)
class InstallRuntime:
    """Put Triton and its Python environment on a node."""

    node: str
    digest: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"install runtime {self.digest}"


@dataclass(frozen=True, slots=True)
class InstallEnvironment:
    """Put the packages that some models need on a node."""

    node: str
    digest: str
    models: tuple[str, ...]
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"install environment {self.digest} of {', '.join(self.models)}"


@dataclass(frozen=True, slots=True)
class PullImage:
    """Let a node pull the image that its servers run in. `image` says which, for a reader."""

    node: str
    image: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"pull image {self.image}"


@dataclass(frozen=True, slots=True)
class PushModel:
    """Put a model's folder on a node."""

    node: str
    model: str
    digest: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"push model {self.model} ({self.digest})"


@dataclass(frozen=True, slots=True)
class StartServer(OnServer):
    """Start a server with all its models, and wait until each is ready.

    `stopped`: a step before has stopped it, so that nothing old can run. Where nobody `waits`, it is ready
    when it is: its slots are in use, and the routers' own checks see it.
    """

    models: tuple[str, ...]
    sign: Sign = Sign.ADD
    stopped: bool = False
    waits: bool = True

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"start server {self.server} with {', '.join(self.models) or 'no model'}"


@dataclass(frozen=True, slots=True)
class StopServer(OnServer):
    """Stop a server whose slots have been drained."""

    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"stop server {self.server}"


@dataclass(frozen=True, slots=True)
class KillServer(OnServer):
    """Kill a server that takes connections and answers nobody, with everything that it started."""

    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"kill server {self.server}"


@dataclass(frozen=True, slots=True)
class CloseSlots(OnServer):
    """Close the slots of a server that nobody reaches: nothing can be drained there."""

    models: tuple[str, ...]
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"close {', '.join(self.models)} of {self.server}"


@dataclass(frozen=True, slots=True)
class RemoveServers:
    """Remove what distctl keeps of servers that were stopped, and forget them; their node stays."""

    node: str
    servers: tuple[ServerId, ...]
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"remove server {', '.join(map(str, self.servers))}"


@dataclass(frozen=True, slots=True)
class ConfigureServer(OnServer):
    """Make a server's start script name the models it is meant to have, so that a restart brings them."""

    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"write the start script of {self.server}"


@dataclass(frozen=True, slots=True)
class LoadReplica(OnServer):
    """Load a model, or its new content, and wait until it is ready; an old content serves meanwhile.

    `anew`: unload it first, since Triton leaves alone what it has already.
    """

    model: str
    digest: str
    sign: Sign = Sign.ADD
    anew: bool = False

    @property
    def text(self) -> str:
        """The operation in words."""
        verb = "load" if self.sign is Sign.ADD else "load anew" if self.anew else "reload"
        return f"{verb} {self.model} in {self.server}"


@dataclass(frozen=True, slots=True)
class UnloadReplica(OnServer):
    """Unload a model that takes no request any more."""

    model: str
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"unload {self.model} from {self.server}"


@dataclass(frozen=True, slots=True)
class Join(OnServer):
    """Let every router send requests for a model to a server."""

    model: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"route {self.model} to {self.server}"


@dataclass(frozen=True, slots=True)
class Leave(OnServer):
    """Drain a slot in every router. `rest`: the replica stays loaded, as on a draining node.

    What is in flight after `cut_after` seconds is cut; None: what was asked for as a whole holds.
    """

    models: tuple[str, ...]
    rest: bool = False
    sign: Sign = Sign.REMOVE
    cut_after: float | None = None

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"drain {', '.join(self.models)} of {self.server}"


@dataclass(frozen=True, slots=True)
class SetRouterUp(OnRouter):
    """Launch a router, or bring its configuration to what is wanted."""

    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"{'launch' if self.sign is Sign.ADD else 'configure'} router {self.router}"


@dataclass(frozen=True, slots=True)
class DrainRouter(OnRouter):
    """Let a router end once nothing is in flight there; what was put there stays."""

    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"drain router {self.router}"


@dataclass(frozen=True, slots=True)
class StopRouter(OnRouter):
    """Drain a router, stop it and remove what was put there. `hasty`: the cluster ends, nobody is warned."""

    hasty: bool = False
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"stop router {self.router}"


@dataclass(frozen=True, slots=True)
class ShareAddress(OnRouter):
    """Let a place have a router's shared address when it is its turn, or tell keepalived there anew."""

    address: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"share address {self.address} at {self.router}"


@dataclass(frozen=True, slots=True)
class GiveUpAddress(OnRouter):
    """Let another place have a router's shared address; what is open goes on where it is."""

    address: str
    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"give up address {self.address} at {self.router}"


@dataclass(frozen=True, slots=True)
class RelayConnections(OnRouter):
    """Have a place send on what is open to another one, which is about to give the address up."""

    address: str
    giver: RouterId
    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"leave what is open to {self.address} with {self.giver.place}, at {self.router}"


@dataclass(frozen=True, slots=True)
class ReleaseAddress(OnRouter):
    """End keepalived on a place, and with it its part in a router's shared address."""

    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"release the shared address of {self.router}"


@dataclass(frozen=True, slots=True)
class RemoveNode:
    """Remove what distctl put on a node, and forget it."""

    node: str
    keep_models: bool = False
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return "remove everything of this cluster" + (" but the models" if self.keep_models else "")


@dataclass(frozen=True, slots=True)
class Prune:
    """Remove contents that a node does not need any more: all but these (of models, with their digests)."""

    node: str
    models: tuple[tuple[str, tuple[str, ...]], ...]
    runtimes: tuple[str, ...]
    environments: tuple[str, ...] = ()
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return "remove old contents"


Operation: TypeAlias = (
    InstallRuntime
    | InstallEnvironment
    | PullImage
    | PushModel
    | StartServer
    | StopServer
    | KillServer
    | CloseSlots
    | RemoveServers
    | ConfigureServer
    | LoadReplica
    | UnloadReplica
    | Join
    | Leave
    | SetRouterUp
    | DrainRouter
    | StopRouter
    | ShareAddress
    | GiveUpAddress
    | RelayConnections
    | ReleaseAddress
    | RemoveNode
    | Prune
)
