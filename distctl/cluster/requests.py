"""Requests as a router's log tells of them: which are asked for, and what is known of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.names import RouterId


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests are asked for; what is empty or 0 asks for nothing. All of it must be true of one."""

    model: str = ""
    key: str = ""  # the name of an API key
    request: str = ""  # how its id begins
    slow: int = 0  # milliseconds that it took at least
    errors: bool = False  # it was refused, failed, or did not end in order
    since: float = 0.0  # seconds since the epoch at which it had not ended yet


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of one router's log, oldest first, and where to go on from."""

    lines: tuple[str, ...] = ()
    position: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a router told of one request. Times in milliseconds, -1 where it did not come to that."""

    router: RouterId
    ended: float  # seconds since the epoch, by the router's clock
    status: int  # HTTP's; 0 when there was none
    grpc: str  # gRPC's status, empty where it is none or came behind the answer
    model: str
    server: str  # empty when the router answered itself
    request: str
    key: str
    tries: int
    queue: int
    total: int
    how: str  # how it ended, in words; empty for an answer in good order
    failed: bool
    said: Mapping[str, object]  # the line itself
