"""The right to change the cluster, taken, kept alive while a command works, and given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

from distctl.app.session import Session
from distctl.cluster.lease import said
from distctl.cluster.record import AddEvent, Errand, ErrandState, Event, Lease, SetErrand
from distctl.control.claim import Claims
from distctl.errors import LeaseHeld

LEASE = 30.0  # seconds; renewed every third of it while a command works
PATIENCE = 120.0  # seconds that everybody waits for a pass of the controller
CONTROLLER = "controller: "  # what the reason of a lease for such a pass begins with
RETRY = 0.25  # seconds between two tries for a lease that somebody holds


@dataclass(slots=True)
class Keeper:
    """Keeps a lease alive while a command works, and the claims of its nodes with it.

    `renew` may be called as often as one likes. A command that lets somebody else work for it gives the lease
    back meanwhile: `pause`, then `hold` or `try_hold`.
    """

    session: Session
    lease: Lease
    alive: Callable[[], None] = lambda: None  # asked first, and raises when the work is to end
    wait: float = 0.0  # as for `leased`
    patience: float = PATIENCE
    say: Callable[[str], None] = lambda _: None
    claims: Claims | None = None  # of the nodes that are changed just now
    _paused: bool = False

    def renew(self) -> None:
        """Renew the lease when a third of it has gone. Raises LeaseHeld when somebody else has it.

        It goes by the same time as the lease's end does, which passes while a process is stopped. Claims are
        renewed by the way, which waits for no node.
        """
        self.alive()
        now = self.session.clock.now()
        if self.lease.expires - now < LEASE * 2 / 3:
            self.lease = self.session.store.renew(self.lease, seconds=LEASE)
        if self.claims is not None:
            self.claims.renew(now)

    def pause(self) -> None:
        """Give the lease back for a while."""
        self.session.store.release(self.lease)
        self._paused = True

    def hold(self) -> None:
        """Have the lease again after a pause. Waits as `leased` does. Raises LeaseHeld."""
        if self._paused:
            reason = self.lease.reason
            self.lease = _acquired(self.session, reason, self.wait, self.patience, self.say)
            self._paused = False

    def try_hold(self) -> bool:
        """The same without waiting: whether we have it."""
        if self._paused:
            try:
                self.lease = _acquired(self.session, self.lease.reason, 0.0, 0.0, self.say)
            except LeaseHeld:
                return False
            self._paused = False
        return True


@contextmanager
def leased(
    session: Session,
    reason: str,
    *,
    wait: float = 0.0,
    patience: float = PATIENCE,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Keeper]:
    """The right to change the cluster, given back at the end whatever happens.

    Waits up to `wait` seconds for somebody else to finish, up to `patience` for a controller's pass, and not
    at all for a process of this machine that has ended. Raises LeaseHeld.
    """
    lease = _acquired(session, reason, wait, patience, say)
    keeper = Keeper(session, lease, wait=wait, patience=patience, say=say)
    try:
        yield keeper
    finally:
        session.store.release(keeper.lease)


def _acquired(
    session: Session, reason: str, wait: float, patience: float, say: Callable[[str], None]
) -> Lease:
    """The lease, once nobody else has it; see `leased`. A controller's pass makes room for whoever waits."""
    begun = time.monotonic()
    dead: Lease | None = None
    knock: Errand | None = None
    try:
        while True:
            try:
                lease = session.store.acquire(session.owner, reason, seconds=LEASE)
                break
            except LeaseHeld as error:
                if dead is None and (dead := _dead(session)):
                    session.store.release(dead)
                    continue
                longest = max(wait, patience if _passing_by(session) else 0.0)
                if time.monotonic() >= begun + longest:
                    raise
                if knock is None:
                    say(f"waiting for the lease: {error.message}")
                    knock = _knock(session, reason)
                session.clock.sleep(RETRY)
    finally:
        if knock is not None:
            session.store.commit(None, [SetErrand(replace(knock, state=ErrandState.WITHDRAWN))])
    if dead is not None:
        _tell_of(session, lease, dead, say)
    return lease


def _knock(session: Session, reason: str) -> Errand:
    """Let a controller know that somebody waits. It is no right to anything, and needs no lease."""
    now = session.clock.now()
    knock = Errand(uuid4().hex[:12], "", reason, session.author, now, state=ErrandState.KNOCKS)
    session.store.commit(None, [SetErrand(knock)])
    return knock


def _tell_of(session: Session, lease: Lease, dead: Lease, say: Callable[[str], None]) -> None:
    """Say and write down whose lease was taken."""
    try:
        text = f"took the lease of {said(dead.owner)}, whose process has ended, during: {dead.reason}"
        say(text)
        event = Event(session.clock.now(), "lease", session.spec.cluster, text, session.author)
        session.store.commit(lease.token, [AddEvent(event)])
    except BaseException:
        session.store.release(lease)
        raise


def _passing_by(session: Session) -> bool:
    """Whether the lease is a controller's, or was given back just now."""
    held = session.store.holder()
    return held is None or held.reason.startswith(CONTROLLER)


def _dead(session: Session) -> Lease | None:
    """The lease of a process of this machine that was killed: nobody renews it, and nobody gives it back."""
    held = session.store.holder()
    return held if held is not None and session.has_ended(held.owner) else None
