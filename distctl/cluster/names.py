"""How things are called and reached: servers, routers, endpoints, and where a secret is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class ServerId:
    """One Triton process's name: everything kept, rendered or named is keyed by it."""

    node: str
    server: str

    def __str__(self) -> str:
        return f"{self.node}/{self.server}"

    @property
    def slot(self) -> str:
        """The name of this server's line in HAProxy, whose names allow no slash."""
        return f"{self.node}.{self.server}"


@dataclass(frozen=True, slots=True, order=True)
class RouterId:
    """One HAProxy process: the router's name and the place it runs on."""

    router: str
    place: str

    def __str__(self) -> str:
        return f"{self.router}@{self.place}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as an http URL without a path."""
        return f"http://{self}"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be read when it is needed. The value itself is never kept."""

    kind: Literal["env", "file", "command"]
    value: tuple[str, ...]  # the variable's name, the path, or the command and its arguments
