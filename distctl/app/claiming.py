"""The nodes that a command changes: made ours before, and let go afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from distctl.app.leasing import LEASE, Keeper
from distctl.app.session import Session
from distctl.cluster.record import Adopt, Record
from distctl.cluster.snapshot import Owner, Snapshot
from distctl.control.adopt import abandoned, adopted, intents_text
from distctl.control.claim import claim
from distctl.errors import DistctlError


@contextmanager
def claimed(session: Session, keeper: Keeper, record: Record, places: set[str]) -> Iterator[None]:
    """Places that are ours to change meanwhile. Raises as `carry_out` does."""
    _take(session, keeper, record, places)
    try:
        yield
    finally:
        let_go(keeper)


def claim_nodes(
    session: Session, keeper: Keeper, record: Record, snapshot: Snapshot, nodes: Iterable[str]
) -> None:
    """Claim some nodes, those that are adopted, and those that a run before never let go.

    That run may only sleep: once it is followed everywhere, it can change nothing any more when it wakes.
    """
    taken = adopted(record, snapshot)
    asleep = abandoned(record, snapshot)
    _take(session, keeper, record, {*nodes, *taken, *asleep}, also=set(taken.values()))


def _take(
    session: Session, keeper: Keeper, record: Record, places: Iterable[str], *, also: Iterable[str] = ()
) -> None:
    """Claim those of some places that are ours, by the next generation; `keeper` has the claims then.

    The generation goes into the record once the nodes carry it: where another copy of the record was quicker,
    this one must not count as far as the other, or it would never learn what that one did. A process that
    dies in between finds it on the nodes again.
    """
    names = session.ours(sorted(places))
    if not names:
        return
    owner = _next_owner(session, record)
    claims = claim(session.world, names, owner, also=also)
    try:
        session.store.commit(keeper.lease.token, [Adopt(owner.record, owner.generation)])
    except DistctlError:
        claims.let_go(changed=False)
        raise
    keeper.claims = claims


def let_go(keeper: Keeper) -> None:
    """Say on the claimed nodes that the work is done."""
    claims, keeper.claims = keeper.claims, None
    if claims is not None:
        claims.let_go()


def _next_owner(session: Session, record: Record) -> Owner:
    """Who claims nodes now, with the generation after the record's."""
    now = session.clock.now()
    return Owner(
        cluster=session.spec.cluster,
        record=record.id,
        generation=record.generation + 1,
        by=session.author,
        at=now,
        until=now + LEASE,
        intents=intents_text(record),
        run=session.owner,
    )
