"""What is done to servers and their replicas."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.policy.operations.base import OnServer, Sign


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
