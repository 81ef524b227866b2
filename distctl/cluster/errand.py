"""What an operator's command asks of the controller: to carry out a wish, with the command's own options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from distctl.cluster.snapshot import Instant


class ErrandState(str, Enum):
    """How far an errand is. One that is open waits for a pass, or a pass is at it.

    One that knocks asks for nothing yet: its command waits for the lease, to write what it wants.
    """

    KNOCKS = "knocks"
    OPEN = "open"
    DONE = "done"  # a pass has carried it out, or found that it cannot be
    WITHDRAWN = "withdrawn"  # no controller was there any more: its command carries it out itself


OVER = (ErrandState.DONE, ErrandState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Errand:
    """One command's request for a pass, written together with its wish.

    `places` are the nodes and routers' places that it is about: their last requests are awaited, and its
    drain deadline (`drain_seconds`, None for the node's own) and `force` are for them alone. `begun` is when
    its first pass took it, from which the deadline counts; `plans` are the ids of its passes in the journal;
    `outcome` is JSON of what the journal does not tell of them (`app/told_steps`).
    """

    id: str
    what: str  # the command's word: scale, drain, router stop
    words: str  # the whole command in words, such as `drain gpu01`
    by: str = ""
    since: Instant = 0.0
    places: tuple[str, ...] = ()
    drain_seconds: float | None = None
    force: bool = False
    state: ErrandState = ErrandState.OPEN
    begun: Instant = 0.0
    plans: tuple[str, ...] = ()
    outcome: str = ""

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.state in OVER

    @property
    def open(self) -> bool:
        """Whether it is not carried out yet."""
        return self.state is ErrandState.OPEN
