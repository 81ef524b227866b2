"""Every ssh connection of a run: each is opened once and shared, and only so many are opened at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko
from paramiko.ssh_exception import IncompatiblePeer
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from distctl.adapters.ssh.auth import NoIdentityAcceptedError, Secret, refused
from distctl.adapters.ssh.dialing import connect
from distctl.adapters.ssh.route import Hop, Route
from distctl.errors import Unreachable

STARTS = 20  # connections that are being opened at once
STARTS_THROUGH_ONE = (
    8  # the same through one jump host: sshd drops at random from 10 on (MaxStartups 10:30:100)
)
TRIES = 3


@dataclass(slots=True)
class _Link:
    """The connection at the end of one route."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    starts_behind: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(STARTS_THROUGH_ONE)
    )
    transport: paramiko.Transport | None = None
    failure: Unreachable | None = None
    failed_at: float = 0.0


class Links:
    """The connections of one run, by route. Safe to be used by many threads."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._links: dict[Route, _Link] = {}
        self._lock = threading.Lock()
        self._starts = threading.Semaphore(STARTS)

    def transport(self, route: Route, node: str, *, timeout: float) -> paramiko.Transport:
        """The connection to the end of a route, opened if it is not open, in at most `timeout` seconds a hop.

        Whoever waited for an attempt that failed gets that failure, so that a hundred nodes behind a dead
        jump host wait for it once. Raises Unreachable and its kinds.
        """
        arrived = time.monotonic()
        link = self._link(route)
        with link.opening:
            if link.transport is not None and link.transport.is_active():
                return link.transport
            if link.failure is not None and link.failed_at >= arrived:
                raise _again(link.failure, node)
            try:
                link.transport = self._open(route, node, timeout)
            except Unreachable as error:
                link.failure, link.failed_at = error, time.monotonic()
                raise
            return link.transport

    def through(self, route: Route, node: str, *, timeout: float) -> paramiko.Transport | None:
        """The connection to the last jump host of a route, None when there is none."""
        return self.transport(route.before, node, timeout=timeout) if route.before else None

    @contextlib.contextmanager
    def starting(self, route: Route) -> Iterator[None]:
        """Wait for leave to open a connection."""
        behind = self._link(route.before).starts_behind if route.before else contextlib.nullcontext()
        with behind, self._starts:
            yield

    def close(self) -> None:
        """Close every connection, those behind jump hosts first."""
        with self._lock:
            links = sorted(self._links.items(), key=lambda item: -len(item[0].hops))
            self._links = {}
        for _, link in links:
            if link.transport is not None:
                link.transport.close()

    def _link(self, route: Route) -> _Link:
        with self._lock:
            return self._links.setdefault(route, _Link())

    def _open(self, route: Route, node: str, timeout: float) -> paramiko.Transport:
        via = self.through(route, node, timeout=timeout)  # before any leave is taken: it takes its own
        hop = route.hops[-1]
        with self.starting(route):
            try:
                for attempt in _patiently(timeout):
                    with attempt:
                        return connect(hop, node, via, timeout=timeout, secret=self._secret)
            except NoIdentityAcceptedError as error:
                raise refused(node, hop, error) from error
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise unreachable(node, route, error) from error
        raise AssertionError("tenacity either returns or raises")


def unreachable(node: str, route: Route, error: BaseException) -> Unreachable:
    """A connection that could not be made, in words."""
    hop = route.hops[-1]
    return Unreachable(node, f"connecting to {route}", in_words(error), hint=f"try: {_by_hand(hop, route)}")


def in_words(error: BaseException) -> str:
    """What went wrong, without the numbers of errno."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return str(error) if error.args and not error.errno else "timed out"
    if isinstance(error, EOFError) or not str(error):
        return "the connection was closed"
    return str(error)


def _by_hand(hop: Hop, route: Route) -> str:
    jump = ",".join(f"{before.user}@{before.host}:{before.port}" for before in route.hops[:-1])
    return " ".join(
        part for part in ("ssh", f"-J {jump}" if jump else "", f"-p {hop.port} {hop.user}@{hop.host}") if part
    )


def _again(failure: Unreachable, node: str) -> Unreachable:
    return type(failure)(node, failure.tried, failure.problem, output=failure.output, hint=failure.hint)


def _patiently(timeout: float) -> Retrying:
    """Try again what a moment may cure, with jitter, so that many nodes do not come back in step."""
    return Retrying(
        stop=stop_after_attempt(TRIES) | stop_after_delay(timeout),
        wait=wait_random_exponential(multiplier=0.3, max=2.0),
        retry=retry_if_exception(_curable),
        reraise=True,
    )


def _curable(error: BaseException) -> bool:
    lasting = (TimeoutError, paramiko.AuthenticationException, IncompatiblePeer)
    return isinstance(error, (OSError, EOFError, paramiko.SSHException)) and not isinstance(error, lasting)
