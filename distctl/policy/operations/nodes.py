"""What is put on a node and taken away from it."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.spec import ServerId
from distctl.policy.operations.base import Sign


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
