"""How far healing goes by itself: the numbers that the inventory may set under `healing`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealingSpec:
    """The bounds of healing.

    A verdict changes after `rise` looks in a row that say ready, or `fall` that do not (one look a second).
    What was on a server that nobody reaches for `reschedule_after` seconds is placed elsewhere; None is
    never. Where more than `share` (between 0 and 1) of all servers turn bad within a minute, nothing is done.
    Default `reschedule_after`: as long as Kubernetes' tolerance of a node that is not ready.
    """

    rise: int = 2
    fall: int = 2
    reschedule_after: float | None = 300.0
    share: float = 1 / 3
