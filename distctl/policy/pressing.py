"""What a pass that is under way has to make room for: a need that came up after it began.

A pass may wait for minutes, for the last request of a drain or for a server that starts. It ends early for a
request that is held while its model sleeps, a server that is dead or hung, a router that ended, and for an
operator's command; the next pass takes both. No need does that twice, so that passes get on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from distctl.policy.healing import Round
from distctl.policy.symptoms import Kind

KINDS = (Kind.DEAD, Kind.HUNG)


@dataclass(frozen=True, slots=True)
class Pressing:
    """What this policy remembers: the needs that the pass is about, or that have ended one already; and `why`
    the pass that is under way should end now, "" while it should not."""

    known: frozenset[str] = frozenset()
    why: str = ""


def pressing(
    before: Pressing, urgent: Mapping[str, str], *, busy: bool, due: Callable[[str], bool]
) -> Pressing:
    """Say whether a pass should end for what is urgent now, by subject. Pure; called for each look.

    What was urgent before a pass began is what it is about. A need that ended is forgotten, and counts when
    it comes back; `due` says whether it may ask for a pass again by then.
    """
    if not busy:
        return Pressing(frozenset(urgent))
    new = {subject: why for subject, why in urgent.items() if subject not in before.known and due(subject)}
    known = (before.known & frozenset(urgent)) | frozenset(new)
    return Pressing(known, before.why or "; ".join(new.values()))


def urgent(found: Round, waking: Mapping[str, str], errands: Mapping[str, str]) -> dict[str, str]:
    """What does not wait for a pass that only waits, by subject, with why."""
    bad = {str(server) for server, verdict in found.ward.servers.items() if verdict.kind in KINDS}
    bad |= {f"router {router}" for router, verdict in found.ward.routers.items() if verdict.kind is Kind.DEAD}
    healing = {subject: why for subject, why in found.needs.items() if subject in bad}
    return {**healing, **waking, **errands}
