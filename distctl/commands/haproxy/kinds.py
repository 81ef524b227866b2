"""The kinds of backend that a pool has: by protocol, and by what may be done with a request.

A request that may be sent again (`replay`) goes to one other server when its answer was lost. One that may
not (`once`: sequences, large bodies, models with state) is sent again only when no connection came about.
A `stream` lasts as long as it likes, so it never counts against what a server may answer at once. `hold` is
for a model without a server: its requests wait there until one is ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distctl.cluster.router import Pool

What = Literal["replay", "once", "stream", "hold"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of backend; the model's name and `suffix` make its name."""

    suffix: str
    grpc: bool
    what: What

    @property
    def protocol(self) -> str:
        """The name of the defaults that it builds upon."""
        return "grpc" if self.grpc else "rest"

    @property
    def checked(self) -> bool:
        """Whether its servers are the ones that HAProxy checks; all others track them."""
        return self.suffix == CHECKED

    @property
    def counted(self) -> bool:
        """Whether its requests count against what a server may be sent at once."""
        return self.what in ("replay", "once")

    @property
    def spliced(self) -> bool:
        """Whether the kernel copies its requests: large ones, of which no more is looked at."""
        return self.what == "once" and not self.grpc

    @property
    def sequences(self) -> bool:
        """Whether it has to know sequences: one that is sent again would be counted twice."""
        return self.what != "replay"


CHECKED = "_r"
_LETTERS: tuple[tuple[What, str], ...] = (("replay", ""), ("once", "n"), ("stream", "s"), ("hold", "h"))
KINDS = tuple(
    Kind(f"_{'g' if grpc else 'r'}{letter}", grpc, what)
    for what, letter in _LETTERS
    for grpc in (False, True)
)
HOLD = "hold"  # the server of those backends that refuses every connection
HELD = tuple(kind.suffix for kind in KINDS if kind.what == "hold")


def kinds_of(pool: Pool) -> tuple[Kind, ...]:
    """The kinds that a pool has, the checked one first."""
    return tuple(kind for kind in KINDS if kind.what != "hold" or pool.hold)
