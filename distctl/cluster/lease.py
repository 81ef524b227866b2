"""Who may change the cluster: the decision behind every store's lease, as two pure functions.

Time is an argument. A lease that nobody holds has the owner "".
"""

from __future__ import annotations

from dataclasses import replace

from distctl.cluster.record import Lease
from distctl.cluster.snapshot import Instant
from distctl.errors import LeaseHeld

LEADING = "leading the controllers"
MARK = "/"  # divides who an owner is from the mark of its process


def said(owner: str) -> str:
    """An owner as people read it: `ann@desk:4711`, without what tells its process from others."""
    return owner.partition(MARK)[0]


FREE = Lease(owner="", token=0, expires=0.0, reason="")


def grant(held: Lease, owner: str, reason: str, *, seconds: float, now: Instant) -> Lease:
    """The lease for `owner`, or LeaseHeld. Pure: both stores ask here.

    The same owner renews and keeps its token, also when it comes late and nobody came between: so an owner
    is one process, not one person. Anybody else gets a free or expired lease with the next token.
    """
    if held.owner == owner:
        return replace(held, expires=now + seconds, reason=reason)
    if held.owner and held.expires > now:
        held_for = max(0.0, now - held.since)
        raise LeaseHeld(
            f"{said(held.owner)} has been changing this cluster for {held_for:.0f} s: {held.reason}"
            f" (its lease runs out in {held.expires - now:.0f} s unless it is renewed)",
            hint="wait for it by adding --lease-wait 15m",
        )
    return Lease(owner=owner, token=held.token + 1, expires=now + seconds, reason=reason, since=now)


def check(held: Lease, token: int | None) -> None:
    """Raise LeaseHeld unless `token` is the newest one; None (observations alone) always passes."""
    if token is not None and token != held.token:
        raise LeaseHeld(
            f"the lease was lost: its token is {held.token} by now and ours was {token}"
            + (f"; {said(held.owner)} holds it: {held.reason}" if held.owner else ""),
            hint="look at the cluster with `distctl status`, then run the command again",
        )


def give_up(held: Lease, lease: Lease) -> Lease:
    """The lease after its holder gave it back: free, with the token kept so that the next one is newer.

    One that somebody else holds by now stays as it is.
    """
    if (held.owner, held.token) != (lease.owner, lease.token):
        return held
    return replace(FREE, token=held.token)
