"""The seams: what the control loop needs of the world, as small Protocols.

Adapters fulfil them with real parts (`adapters/`), `testing.py` with fakes in memory. An adapter
translates every foreign exception into one of `errors`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from distctl.cluster.content import Archive, Folder
from distctl.cluster.record import Change, Errand, Event, Hour, Lease, Load, OperationEntry, Record, Revision
from distctl.cluster.requests import Page, Wanted
from distctl.cluster.router import RouterSight, RouterView
from distctl.cluster.shared import AddressSight, AddressView
from distctl.cluster.snapshot import Instant, NodeSight, Owner, ReplicaSight, Silence
from distctl.cluster.spec import Endpoint, LogSpec, Server


@dataclass(frozen=True, slots=True)
class Result:
    """What a remote command answered. Output is text; past a bound only its last part is kept."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to put on a node: a file here or bytes in memory, its absolute remote path and mode."""

    source: Path | bytes
    target: str
    mode: int = 0o644


Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Connector(Protocol):
    """Runs commands and copies files on one node."""

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        """Run a POSIX shell script on the node, as root where the node says `become`.

        `tried` says in words what it is for, for errors; `deadline` is in seconds and always holds.
        A status other than 0 is a result, not an error. The script's standard input is empty.

        Raises Unreachable, DeadlineExceeded.
        """

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        """Copy files to the node: parents made, each written beside its target and renamed, cuts resumed.

        Raises Unreachable, DeadlineExceeded, NodeError (disk full, no permission).
        """

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        """A stream to a TCP endpoint as the node sees it, or to a unix socket's path on the node.

        What comes back has sendall, recv, settimeout, shutdown and close.

        Raises NothingListens when the target's machine refused, Unreachable, NodeError (no way there).
        """

    def close(self) -> None:
        """End the connection; calling it twice does no harm."""


class NodeControl(Protocol):
    """One node as a whole: looked at, claimed, let go. Every change to a node runs under its lock."""

    def look(self) -> NodeSight:
        """What is on the node, in one round trip. A node that cannot be reached is told in `error`."""

    def claim(self, owner: Owner, *, also: Iterable[str] = ()) -> None:
        """Write the owner file, and from now on show its generation at each change.

        `also` are other records from which the node may be taken.

        Raises NodeLocked, StaleGeneration (a newer one was there), ForeignNode (another cluster or record).
        """

    def renew(self, until: Instant) -> None:
        """Let the claim last until then, so that nobody takes it for abandoned; nothing where there is none.

        Raises as `claim` does.
        """

    def confirm(self) -> None:
        """Raise StaleGeneration or ForeignNode when somebody took the node over since it was claimed."""

    def release(self, *, changed: bool = True) -> None:
        """Say in the owner file that the work is done.

        Where nothing was `changed` the file shows the generation before again: whoever was given the other
        nodes is then the only one that counted on.
        """

    def remove(self, *, keep_models: bool = False) -> None:
        """Remove the node's whole folder, or all of it but the stored models.

        Every unit must have been stopped before.
        """


class ServerControl(Protocol):
    """The servers of one node."""

    def configure(self, server: Server, models: Mapping[str, str], sources: Mapping[str, str]) -> bool:
        """Make start script and repository links name these models, so that a restart comes back with them.

        `models` maps a model to the digest that is stored on the node, `sources` one to a path on the node
        that is not ours. True if anything changed. Nothing is started or loaded.
        """

    def start(self, server: Server) -> None:
        """Start the supervised process unless it runs, and return when it was started, ready or not."""

    def stop(self, server: Server, *, seconds: float) -> None:
        """SIGTERM, `seconds` for Triton's own exit, SIGKILL of the whole group, shared memory cleared."""

    def silence(self, server: Server) -> Silence:
        """How a server does not answer on its own node; NONE when it does. Raises NodeError."""

    def clear(self, server: Server) -> None:
        """Remove a stopped server's start script, links, key and log; nothing to do where it never was."""

    def key(self, server: Server) -> str:
        """The random key of the server's restricted API, which is kept on the node alone."""

    def tail(self, unit: str, lines: int = 20) -> list[str]:
        """The last lines of a unit's log."""


class Depot(Protocol):
    """What is stored on one node: runtimes, images, environments and models, named by their content."""

    def install(self, archive: Archive, *, progress: Progress | None = None) -> None:
        """Unpack a runtime or environment there, unless it is there. Raises NodeError if the disk is full."""

    def pull(self, *, report: Callable[[str], None]) -> tuple[str, str]:
        """Bring the image of the node's containers there by its own engine, which changes nothing that runs.

        What comes back are its name and digest. `report` is told how far it is, every second or so. Raises
        NodeError, DeadlineExceeded.
        """

    def push(self, model: str, folder: Folder, *, progress: Progress | None = None) -> None:
        """Put a model's folder there, only files that no stored version of it has, whole or not at all."""

    def prune(
        self,
        keep_models: Mapping[str, frozenset[str]],
        keep_runtimes: frozenset[str],
        keep_environments: frozenset[str] = frozenset(),
    ) -> None:
        """Remove every stored model content, runtime and environment that is not named."""


class TritonClient(Protocol):
    """One Triton's model control and health. Every call raises TritonError when it is not answered."""

    def live(self) -> bool:
        """Whether the server is initialised and not exiting."""

    def index(self) -> dict[str, ReplicaSight]:
        """Every model the server knows, with state and reason."""

    def load(self, model: str) -> None:
        """Ask for a model to be loaded, once, and return when the request was taken: watch `index`."""

    def unload(self, model: str) -> None:
        """Unload a model; requests in flight end first."""


class RouterControl(Protocol):
    """One router: brought to a view, looked at, stopped."""

    def apply(self, view: RouterView, *, deadline: float) -> str:
        """Make the router be as the view says, and return what that took, in words.

        Writes and checks the configuration first, then launches, reloads (another structure) or tells the
        socket (other states), and reads back. A slot that becomes ready takes requests only after its check
        passed. A view that is draining launches nothing, and leaves a router alone that is ending.

        Raises RouterError, NodeError.
        """

    def look(self) -> RouterSight:
        """What the router is now, every worker counted. An answer that does not come is in `error`."""

    def close(self) -> None:
        """Take no new connection, and say so on those that are there; it ends with the last of them."""

    def halt(self) -> None:
        """End it now, whatever is in flight; what was put there stays, and no boot starts it."""

    def glance(self) -> RouterSight:
        """The same without what lies on the disk there (`config`, `lost`): cheap enough for each second."""

    def requests(self, log: LogSpec, wanted: Wanted, position: str, newest: int) -> Page:
        """The newest lines of its log of requests that are asked for, from a position on ("": the oldest).

        Raises NodeError.
        """

    def stop(self, *, deadline: float) -> None:
        """Stop it once nothing is in flight, and remove what was put there."""


class AddressControl(Protocol):
    """The shared address of a router on one of its places. Each raises RouterError, NodeError."""

    def apply(self, view: AddressView) -> None:
        """Make keepalived be as the view says: started, or told anew without letting go of the address."""

    def give_up(self, view: AddressView, *, chained: bool) -> bool:
        """Let another place have the address; False when it stays, as none is there to take it.

        Connections that are open go on here, where the others were told to `relay` before. `chained`: this
        place itself goes on relaying to one that gave the address up before it.
        """

    def relay(self, view: AddressView, giver: str) -> bool:
        """Send on what belongs to no connection here to the place that gives the address up, by its own.

        False where the place cannot do that: connections that are open end then with the move.
        """

    def look(self) -> AddressSight:
        """What is there now. An answer that does not come is in `error`."""

    def remove(self) -> None:
        """Stop keepalived there, and remove what was put there and the address."""


class Store(Protocol):
    """What is remembered, and who may change the cluster."""

    def load(self) -> Record:
        """The record as it is now."""

    def serial(self) -> int:
        """How many commits have changed what is wanted; observations, events and operations do not count.

        Cheap enough to be asked each second: while it equals `Record.serial` of the last `load`, nobody has
        said anything since.
        """

    def commit(self, token: int | None, changes: Sequence[Change]) -> None:
        """Write changes in one transaction. `token` is the lease's; None for observations alone.

        Raises LeaseHeld when the token is no longer the newest.
        """

    def events(
        self, *, since: Instant = 0.0, limit: int = 1000, subject: str | None = None
    ) -> Sequence[Event]:
        """The newest `limit` events at or after `since`, oldest first; of one subject unless that is None."""

    def acquire(self, owner: str, reason: str, *, seconds: float) -> Lease:
        """Take the lease, or renew it for the same owner. Raises LeaseHeld with who holds it and why."""

    def release(self, lease: Lease) -> None:
        """Give the lease back; one that somebody else holds by now is left alone."""


class Leadership(Protocol):
    """Which of several controllers acts. It is no right to change anything: each pass takes the lease too."""

    def lead(self, owner: str, *, seconds: float) -> Lease:
        """Take the leadership, or renew it for the same owner. Raises LeaseHeld."""

    def leader(self) -> Lease | None:
        """Who leads now; None if nobody does or it has expired."""

    def stand_down(self, leadership: Lease) -> None:
        """Give the leadership back; one that somebody else has by now is left alone."""


class History(Protocol):
    """What a store remembers beside the record, for those who look back."""

    def holder(self) -> Lease | None:
        """Who holds the lease now; None if nobody does or it has expired."""

    def history(self, *, limit: int = 100) -> Sequence[Revision]:
        """The newest `limit` revisions of the spec, oldest first."""

    def revision(self, number: int) -> Revision | None:
        """The spec's revision of that number; None if there is none."""

    def operations(self, plan: str | None = None) -> Sequence[OperationEntry]:
        """The operations of a plan in order; None is the plan that was begun last."""

    def errand(self, id: str) -> Errand | None:
        """The errand of that id, open or not; None if there is none any more."""

    def loads(self, *, since: Instant = 0.0) -> Sequence[Load]:
        """Every load that is kept, at or after `since`, oldest first."""

    def hours(self, *, since: Instant = 0.0, model: str | None = None) -> Sequence[Hour]:
        """The hours that are kept and began at or after `since`, oldest first; of one model unless None."""


class Clock(Protocol):
    """Time, as an argument: only the loop sleeps."""

    def now(self) -> Instant:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
