"""When so much turns bad at once that the observer is likelier to be wrong than all of them: hold.

It ends by itself: what turned bad a while ago counts no more, and what is well again does not either.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from distctl.cluster.snapshot import Instant
from distctl.policy.health import Verdict

WITHIN = 60.0  # seconds
LEAST = 2  # one alone never is a mass
NAMED = 3


def too_many(count: int, total: int, share: float) -> bool:
    """Whether so many of all are more than can be believed. `share` is between 0 and 1."""
    return count >= LEAST and count > share * total


def held(verdicts: Iterable[tuple[object, Verdict]], share: float, now: Instant) -> str:
    """Why nothing is to be done now, in a sentence; "" when nothing speaks against it."""
    pairs = list(verdicts)
    lately = [(name, v) for name, v in pairs if v.bad and now - v.turned < WITHIN]
    if not too_many(len(lately), len(pairs), share):
        return ""
    some = ", ".join(f"{name} {v.symptom.state}" for name, v in islice(lately, NAMED))
    more = f" and {len(lately) - NAMED} more" if len(lately) > NAMED else ""
    return (
        f"{len(lately)} of {len(pairs)} servers turned bad within a minute ({some}{more}): nothing is healed "
        "until a minute has passed without another one"
    )
