"""What commands asked of the controller: when a pass is due for it, and how long its drains may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.record import Errand, ErrandState, Record
from distctl.cluster.snapshot import Instant
from distctl.policy.decision import Decision

FRESH = 10.0  # seconds for which one that knocks is let in before another pass begins
SUBJECT = "errand "  # what the subject of a decision or need for one begins with


@dataclass(frozen=True, slots=True)
class Patience:
    """How long drains at one place may take. `seconds`: None for the node's own deadline.

    `spent` are the seconds that passes before have waited already; with `force` what is in flight at the
    deadline is cut.
    """

    seconds: float | None = None
    force: bool = False
    spent: float = 0.0

    def left(self, usual: float) -> float:
        """Seconds from now on, where a drain usually may take so many."""
        return max(0.0, (usual if self.seconds is None else self.seconds) - self.spent)


def needs(record: Record) -> dict[str, str]:
    """By subject: what is asked for and not carried out yet, with why, the oldest first. Pure."""
    found = in_order(errand for errand in record.errands.values() if errand.open)
    return {f"{SUBJECT}{errand.id}": f"{errand.words}: asked for by {errand.by}" for errand in found}


def knocks(record: Record, now: Instant) -> dict[str, str]:
    """By subject: the commands that wait for the lease just now, so that no pass should have it. Pure."""
    found = [e for e in record.errands.values() if e.state is ErrandState.KNOCKS and now - e.since < FRESH]
    return {f"{SUBJECT}{e.id}": f"{e.by} waits with `{e.words}`" for e in in_order(found)}


def asked(record: Record) -> list[Decision]:
    """The passes that are due for what was asked for: at once, whatever became of other passes. Pure."""
    return [Decision(subject, why) for subject, why in needs(record).items()]


def in_order(errands: Iterable[Errand]) -> tuple[Errand, ...]:
    """Errands as they are served: in the order in which they were written."""
    return tuple(sorted(errands, key=lambda errand: (errand.since, errand.id)))


def patiences(errands: Iterable[Errand], now: Instant) -> Mapping[str, Patience]:
    """By place: how long drains there may take. Where two commands spoke of one place the later one counts.

    A deadline counts from an errand's first pass on, however often that was broken off. Pure.
    """
    return {
        place: Patience(errand.drain_seconds, errand.force, max(0.0, now - errand.begun))
        for errand in in_order(errands)
        for place in errand.places
    }
