"""What a policy answers: something to be done, and why. Policies never act; the controller does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distctl.cluster.record import Change, Record
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import Spec


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a policy may look at. `busy`: a pass is under way, so nothing that needs one can begin now.

    `capacities` are the requests that one server of a model can use at once.
    """

    spec: Spec  # of the record's newest revision, with the servers and devices that its facts tell of
    record: Record
    snapshot: Snapshot
    busy: bool = False
    capacities: Mapping[str, int] = field(default_factory=dict)

    @property
    def now(self) -> Instant:
        """When it was seen."""
        return self.snapshot.at


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. `subject` is a node, NODE/SERVER, a model, a router or the cluster.

    `changes` are written to the record under the lease, with an event that tells `reason`; then one pass for
    all decisions of the turn makes the cluster be what the record wants.
    """

    subject: str
    reason: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How the pass for some decisions ended. `busy`: somebody else had the lease, so nothing was tried;
    `broken`: it made room for a need that is more urgent, and the next one goes on with it."""

    at: Instant
    failed: bool = False
    busy: bool = False
    text: str = ""
    broken: bool = False
