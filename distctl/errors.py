"""Every error a user can meet, in one tree.

Each error carries what an operator needs to go on: what happened, where, the last lines of what the
machine said, and the next command to run. The command line catches `DistctlError` in one place
(`cli/main.py`), prints it and exits with `exit_code`; a traceback on a user's screen is a bug.

    DistctlError                1   anything else that failed
    ├── InputError              2   bad usage, inventory or config; nothing was contacted
    │   └── InventoryError      2   with file, line and path inside the document
    ├── PartialFailure          3   some nodes failed, the rest was applied
    ├── NodeError               1   something failed on one node
    │   ├── Unreachable         4   no connection; nothing was applied there
    │   │   ├── HostKeyUnknown  4
    │   │   └── HostKeyChanged  4
    │   ├── CommandFailed       1   a remote command ended with a status other than 0
    │   ├── DeadlineExceeded    1   a remote step took longer than it may
    │   ├── NothingListens      1   the place answered, and nothing listens on that port or socket
    │   ├── NodeLocked          5   another change is under way on that node
    │   ├── StaleGeneration     5   somebody newer has changed this node since
    │   ├── ForeignNode         8   the node belongs to another cluster or record
    │   └── HealthGateFailed    7   the new version never became healthy; the old one serves
    ├── LeaseHeld               5   another operator or controller changes this cluster
    ├── DrainExpired            6   the deadline came before the last request ended
    ├── Refused                 8   would break a promise; `--force` where that is offered
    │   └── PlanMoved           8   what a saved plan was made for has changed
    ├── RouterError             1   HAProxy refused a configuration, or did not answer
    ├── TritonError             1   Triton refused a request, or did not answer
    ├── StoreError              1   the record cannot be read or written
    │   ├── StoreDamaged        1
    │   └── StoreNewer          1
    ├── BrokenOff               1   a controller's pass ended for a need that is more urgent
    └── Interrupted       130/143   SIGINT or SIGTERM; the lease was released

The exit codes are part of the interface: see docs/exit-codes.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class DistctlError(Exception):
    """The base: a message, and a hint that says what to do next.

    `hint` is a sentence or a command that pastes as it is; empty when there is nothing useful to say.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(DistctlError):
    """What the user wrote cannot be used; nothing was contacted and nothing changed."""

    exit_code = 2


class InventoryError(InputError):
    """The inventory is wrong at one place.

    `path` is the place inside the document (`nodes.gpu01.ssh.port`), `line` counts from 1, 0 if unknown.
    """

    def __init__(self, message: str, *, file: Path, line: int = 0, path: str = "", hint: str = "") -> None:
        where = f"{file}:{line}" if line else str(file)
        super().__init__(f"{where}: {path + ': ' if path else ''}{message}", hint=hint)
        self.file, self.line, self.path, self.problem = file, line, path, message


class PartialFailure(DistctlError):
    """Some nodes failed and the rest was applied."""

    exit_code = 3


class NodeError(DistctlError):
    """A step failed on one node: which, what was tried, and the last lines that the node said."""

    def __init__(
        self, node: str, tried: str, problem: str = "", *, output: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(f"{node}: {tried}" + (f": {problem}" if problem else ""), hint=hint)
        self.node, self.tried, self.problem, self.output = node, tried, problem, tuple(output)


class Unreachable(NodeError):
    """No connection to the node could be made or kept."""

    exit_code = 4


class HostKeyUnknown(Unreachable):
    """The node showed a host key that no known_hosts file has."""


class HostKeyChanged(Unreachable):
    """The node showed another host key than the one that is known."""


class CommandFailed(NodeError):
    """A remote command ended with `status`."""

    def __init__(
        self, node: str, tried: str, status: int, *, output: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(node, tried, f"exit status {status}", output=output, hint=hint)
        self.status = status


class DeadlineExceeded(NodeError):
    """A remote step did not end within `seconds`."""

    def __init__(
        self, node: str, tried: str, seconds: float, *, output: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(node, tried, f"no end within {seconds:g} s", output=output, hint=hint)
        self.seconds = seconds


class NothingListens(NodeError):
    """A stream was refused by the machine that it was meant for: it is there, and nothing listens."""


class NodeLocked(NodeError):
    """Another change is under way on the node."""

    exit_code = 5


class StaleGeneration(NodeError):
    """The node was changed by a newer generation than ours: our view of it is out of date."""

    exit_code = 5


class ForeignNode(NodeError):
    """The node's owner file names another cluster or another record."""

    exit_code = 8


class LeaseHeld(DistctlError):
    """Somebody else holds the right to change the cluster."""

    exit_code = 5


class DrainExpired(DistctlError):
    """A drain's deadline came with requests still in flight."""

    exit_code = 6


class HealthGateFailed(NodeError):
    """What was new never became healthy; what was old serves on."""

    exit_code = 7


class Refused(DistctlError):
    """Doing this would break a promise to clients or another operator."""

    exit_code = 8


class PlanMoved(Refused):
    """The cluster is no longer what the saved plan was made for."""


class RouterError(DistctlError):
    """HAProxy refused a configuration or a command, or did not answer."""


class TritonError(DistctlError):
    """Triton refused a request or did not answer."""


class StoreError(DistctlError):
    """The record cannot be opened, read or written."""


class StoreDamaged(StoreError):
    """The record's file is not a sound database; it was left as it is."""


class StoreNewer(StoreError):
    """The record was written by a newer distctl; it was left as it is."""


class BrokenOff(DistctlError):
    """Something more urgent came up: what was begun stays in the record, and the next pass takes both."""


class Interrupted(DistctlError):
    """A signal ended the command; the lease was released and the record is sound."""

    def __init__(self, message: str, *, signal_number: int = 2, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number
