"""What a controller knows at one moment, for whoever asks over HTTP: one frozen value, new each second.

It is made of what the loop has anyway. What is shown of it is worked out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from distctl.cluster.record import SetIntent, SetPower, SetSized
from distctl.cluster.snapshot import Instant
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.healing import Ward
from distctl.policy.trend import Trend, added

KINDS = {SetSized: "size", SetIntent: "cordon", SetPower: "power"}  # of decisions, by what they write
UPKEEP = "upkeep"  # a decision that writes nothing: what is wanted already is brought about


@dataclass(frozen=True, slots=True)
class Passes:
    """How the passes of this process ended, and the seconds of those that did anything."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """`seen` is the last look; None before the first one, and for a controller that stands by.

    `begun` is when the pass that is under way began, None when there is none. `decisions` are counted by
    kind. `lost` says why the record cannot be read or written now, "" while it can.
    """

    leads: bool = False
    seen: Seen | None = None
    ward: Ward = field(default_factory=Ward)
    trend: Trend = field(default_factory=Trend)
    begun: Instant | None = None
    passes: Passes = Passes()
    decisions: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys((UPKEEP, *KINDS.values()), 0))
    lost: str = ""


def led(before: Outlook, leads: bool) -> Outlook:
    """Who stands by has seen nothing that could be told: somebody else looks."""
    before = replace(before, lost="")
    return replace(before, leads=True) if leads else replace(before, leads=False, seen=None, trend=Trend())


def lost(before: Outlook, why: str) -> Outlook:
    """Without the record nobody leads."""
    return replace(led(before, False), lost=why)


def looked(before: Outlook, seen: Seen, ward: Ward) -> Outlook:
    """After one more look."""
    return replace(before, seen=seen, ward=ward, trend=added(before.trend, seen))


def decided(before: Outlook, decisions: Sequence[Decision]) -> Outlook:
    """After decisions that were not there before."""
    counts = dict(before.decisions)
    for decision in decisions:
        counts[kind(decision)] += 1
    return replace(before, decisions=counts)


def passed(before: Outlook, how: Ended) -> Outlook:
    """After a pass; one that could not begin, since somebody else was at work, counts as none."""
    if how.busy or before.begun is None:
        return replace(before, begun=None)
    passes = before.passes
    seconds = passes.seconds + max(0.0, how.at - before.begun)
    failed, done = passes.failed + how.failed, passes.done + (not how.failed)
    return replace(before, begun=None, passes=Passes(done, failed, seconds))


def kind(decision: Decision) -> str:
    """What kind of decision it is, in one of few words."""
    return next((KINDS[type(c)] for c in decision.changes if type(c) in KINDS), UPKEEP)
