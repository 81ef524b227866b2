"""What is wanted of a router: where it runs, what it listens on, what it lets through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distctl.cluster.names import SecretRef
from distctl.cluster.shared import SharedAddress


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """What a router shows and whom it asks to show: PEM files, the private key at a secret's place."""

    certificate: Path
    key: SecretRef
    client_ca: Path | None = None  # clients need a certificate of these authorities


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may be, whoever sends it. Sizes in bytes, times in seconds; 0 is no limit of ours."""

    body: int = 0
    headers: int = 0
    connections: int = 0  # of one client's address
    upload: float = 60.0  # for a body that can be sent again, and the beginning of every other


@dataclass(frozen=True, slots=True)
class LogSpec:
    """Where a router says what became of each request, and how much of that a file keeps."""

    to: Literal["file", "journal", "off"] = "file"
    keep: int = 100 * 1024 * 1024  # bytes, all files together
    files: int = 5

    @property
    def written(self) -> bool:
        """Whether it is kept at all."""
        return self.to != "off"


NO_LOG = LogSpec("off")


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """A router as the inventory describes it: one HAProxy process on each place of `on`."""

    name: str
    on: tuple[str, ...]  # node names, or "local" for this machine
    address: str = "127.0.0.1"  # the bind address; 0.0.0.0 or :: for all
    shared: SharedAddress | None = None  # where clients find whichever of its places has it
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002
    peers_port: int = 8003  # of the other places of this router; nobody listens where there is one alone
    replay_limit: int = 128 * 1024  # bytes
    checks: Literal["auto", "lan", "wan"] = "auto"
    haproxy: str | None = None  # an executable on the router's place instead of ours
    tls: TlsSpec | None = None  # None: HTTP/1.1 and HTTP/2 in clear text
    auth: Literal["none", "keys"] = "none"
    limits: Limits = Limits()
    log: LogSpec = LogSpec()
    lame_duck: float = 10.0  # seconds that it serves on after its health path said that it goes
    ready: Literal["all", "any"] = "all"  # all: a ready server for each wanted model; any: one server

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it listens on, on each of its places."""
        among = (self.peers_port,) if len(self.on) > 1 else ()
        return (self.http_port, self.grpc_port, self.metrics_port, *among)
