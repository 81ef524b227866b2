"""The controller of one cluster, put together: who leads, what is looked at, and how a pass is made.

A pass is what `up` does, with the record's newest revision in the place of the file: a session of its own,
the lease, look, compare, carry out. The file is read once, at the start, for the way to the record and for
where secrets and models lie; what is changed in it counts once `up` has written a revision.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from distctl.adapters.clock import SystemClock
from distctl.adapters.store import HASTE
from distctl.app.change import Prepared, carry_intents, carry_out, prepare, summed_up
from distctl.app.compose import open_inventory
from distctl.app.crashes import crash_loops
from distctl.app.leasing import CONTROLLER, Keeper, leased
from distctl.app.power import switch_all
from distctl.app.preconditions import refuse
from distctl.app.rollback import return_to
from distctl.app.serving import served
from distctl.app.session import Session
from distctl.app.telling import told
from distctl.app.watching import Watch
from distctl.cluster.lease import said
from distctl.cluster.record import AddEvent, Change, Event, Lease, Revision, SetPower
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import Endpoint
from distctl.config import Inventory
from distctl.control.execute import Outcome, State
from distctl.control.loop import Loop, Say
from distctl.errors import BrokenOff, Interrupted, LeaseHeld
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.loads import Minute, added
from distctl.policy.power import stands
from distctl.policy.rollup import Ledger, opened, rolled

LEADERSHIP = 4.0  # seconds without a sign of life after which another controller leads
SLOW = 1.5  # seconds between two questions to a server from which on that is told
THREADS = 2  # a look beside a pass


class Controller:
    """Fulfils `control.loop.Helm`. `close` it at the end."""

    def __init__(
        self,
        inventory: Inventory,
        *,
        warn: Callable[[str], None],
        say: Say,
        stopping: Callable[[], bool],
    ) -> None:
        self._say, self._stopping = say, stopping
        self._stack = ExitStack()
        self._base = self._stack.enter_context(open_inventory(inventory, warn=warn))  # for the record alone
        self._open = partial(open_inventory, inventory, warn=warn, store=self._base.store)
        self._eyes = ExitStack()
        self._watching: tuple[Session, Watch] | None = None  # looks with the connections that it keeps
        self._author = f"controller@{socket.gethostname()}"
        self._revision = 0  # of what is looked at
        self._leadership: Lease | None = None
        self._minute = Minute()  # of the load that the record keeps
        self._ledger: Ledger | None = None  # where its counters stood a minute ago; None: the record knows
        self._slow = False  # whether servers are asked less often than each second
        self._pressing = ""  # what is more urgent than the pass that is under way

    def close(self) -> None:
        """End every connection."""
        self._eyes.close()
        self._stack.close()

    # --- leading ------------------------------------------------------------------------------------

    def lead(self) -> str:
        """Take the leadership or renew it; see `Helm`. A process of this machine that ended leads no more."""
        store = self._base.store
        try:
            self._leadership = store.lead(self._base.owner, seconds=LEADERSHIP)
        except LeaseHeld:
            self._leadership = None
            self._minute, self._ledger = Minute(), None  # somebody else counts now
        else:
            return ""
        other = store.leader()
        if other is None or not self._base.has_ended(other.owner):
            return f"{said(other.owner) if other else 'another controller'} leads; this one stands by"
        store.stand_down(other)
        return self.lead()

    def stand_down(self) -> None:
        """Give the leadership back."""
        if self._leadership is not None:
            self._base.store.stand_down(self._leadership)

    # --- looking ------------------------------------------------------------------------------------

    def look(self) -> Seen | None:
        """What the newest revision wants and what is there; None before the first `up` and after `down`."""
        record = self._base.store.load()
        if record.revision is None or record.taken_down:
            return None
        if self._watching is None or self._revision != record.revision.number:
            self._eyes.close()
            self._watching = self._new_watch(record.revision)
            self._revision = record.revision.number
        session, watch = self._watching
        session.remember(record)
        self._tell_pace(watch.stretch)
        return Seen(
            session.spec, record, self._noted(watch.look(record)), capacities=session.routers.concurrency
        )

    def _tell_pace(self, stretch: float) -> None:
        """Say once that this machine is too busy to ask everybody each second, and once that it can."""
        if not self._slow and stretch > SLOW:
            self._slow = True
            self._say("slow", f"this machine is too busy: servers are asked every {stretch:.0f} s or so")
        elif self._slow and stretch == 1.0:
            self._slow = False
            self._say("slow", "servers are asked each second again")

    def _noted(self, snapshot: Snapshot) -> Snapshot:
        """A sight, whose load was added to what the record keeps."""
        self._minute, rows = added(self._minute, snapshot)
        if rows:
            ledger, hours = rolled(self._ledger or opened(self._base.store.loads()), rows)
            self._base.store.commit(None, [*rows, *hours])
            self._ledger = ledger
        return snapshot

    def _new_watch(self, revision: Revision) -> tuple[Session, Watch]:
        session = self._eyes.enter_context(self._open())
        return_to(session, revision)
        return session, self._eyes.enter_context(closing(Watch(session)))

    def note(self, news: Sequence[Change]) -> None:
        """Write observations down; see `Helm`."""
        self._base.store.commit(None, news, patience=HASTE)

    def rest(self, seconds: float) -> None:
        """Wait for the next turn; see `Helm`."""
        if self._watching is None:
            self._base.clock.sleep(seconds)
        else:
            self._watching[1].rest(seconds)

    # --- acting -------------------------------------------------------------------------------------

    def act(self, decisions: Sequence[Decision]) -> Ended:
        """One pass; see `Helm`."""
        clock, holder = self._base.clock, self._base.store.holder()
        if holder is not None and not self._base.has_ended(holder.owner):
            return Ended(clock.now(), busy=True, text=f"{said(holder.owner)} is at work: {holder.reason}")
        begun, self._pressing = clock.now(), ""
        try:
            failed, text = self._passed(decisions)
        except LeaseHeld as error:
            return Ended(clock.now(), busy=True, text=error.message)
        except BrokenOff as error:
            return Ended(clock.now(), broken=True, text=f"the pass makes room: {error.message}")
        except Interrupted:
            return Ended(clock.now(), failed=True, text="the pass was ended between two steps")
        finally:
            if self._watching is not None:
                self._watching[1].hurry()
        return Ended(clock.now(), failed=failed, text=f"{text} ({clock.now() - begun:.1f} s)")

    def press(self, why: str) -> None:
        """Something is more urgent than the pass that is under way; see `Helm`."""
        self._pressing = why

    def _passed(self, decisions: Sequence[Decision]) -> tuple[bool, str]:
        """Look again, compare and carry out; whether anything is left to be done, and a sentence."""
        with self._under_lease(decisions) as (session, keeper), served(session, keeper) as service:
            for errand in service.errands:
                self._say("errand", f"{errand.words}: asked for by {errand.by}")
            record = session.store.load()
            if record.taken_down:
                return False, "the cluster is taken down"
            decisions = [decision for decision in decisions if stands(decision, record)]
            session.store.commit(keeper.lease.token, _written(session, decisions))
            turned = [c.power for d in decisions for c in d.changes if isinstance(c, SetPower)]
            for error in (*switch_all(session, keeper, turned), *service.switch()):
                self._say("step", error.message)
            prepared = prepare(session, keeper, awaited=service.awaited)
            session.store.commit(
                keeper.lease.token, [*crash_loops(session, prepared.record, prepared.snapshot)]
            )
            outcomes: tuple[Outcome, ...] = ()
            if prepared.plan.empty:
                carry_intents(session, keeper, prepared)
            else:
                refuse(session, prepared, force=service.force)
                manner = service.manner(lambda: self._pressing)
                watch = self._watch(service.watch)
                outcomes = carry_out(session, keeper, prepared, watch=watch, what="controller", manner=manner)
            return _came_to(prepared, outcomes)

    @contextmanager
    def _under_lease(self, decisions: Sequence[Decision]) -> Iterator[tuple[Session, Keeper]]:
        """A session of its own that wants what the record's newest revision says, and the lease."""
        with (
            self._open() as session,
            leased(session, f"{CONTROLLER}{decisions[0].reason}", patience=0.0) as keeper,
        ):
            keeper.alive = self._require_leadership
            keeper.renew()
            session.author, session.steady = self._author, True
            session.needs.say = partial(self._say, "step")
            if (revision := session.store.load().revision) is not None:
                return_to(session, revision)
            yield session, keeper

    def _require_leadership(self) -> None:
        """Raise Interrupted once the controller is to end, LeaseHeld when another one leads."""
        if self._stopping():
            raise Interrupted("the controller was stopped")
        if self._leadership is None:
            raise LeaseHeld("another controller leads by now: the pass ends here")

    def _watch(self, also: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """Says how steps end, and tells `also` of each word."""

        def watch(outcome: Outcome) -> None:
            also(outcome)
            if outcome.state in (State.DONE, State.FAILED):
                operation = outcome.step.operation
                how = f"done in {outcome.seconds:.1f} s" if outcome.state is State.DONE else outcome.detail
                self._say("step", f"{operation.node} {operation.text}: {how}")

        return watch


def _written(session: Session, decisions: Sequence[Decision]) -> list[Change]:
    """What decisions change in the record, and the events that say why."""
    now = session.clock.now()
    events = [AddEvent(Event(now, "controller", d.subject, d.reason, session.author)) for d in decisions]
    return [*(change for d in decisions for change in d.changes), *events]


def _came_to(prepared: Prepared, outcomes: Sequence[Outcome]) -> tuple[bool, str]:
    """Whether a pass left anything undone, and what it came to."""
    left = [skip.text for skip in prepared.plan.skipped] + [trouble.message for trouble in prepared.troubles]
    text = summed_up(outcomes) if outcomes else "nothing is to be done"
    failed = bool(left) or any(outcome.state is not State.DONE for outcome in outcomes)
    return failed, "; ".join([text, *(f"left alone: {one}" for one in left)])


def run(
    inventory: Inventory,
    *,
    warn: Callable[[str], None],
    say: Say,
    stopping: Callable[[], bool],
    listen: Endpoint | None = None,
) -> None:
    """Be a controller of this cluster until `stopping`, and tell over HTTP what it knows where it listens."""
    with (
        closing(Controller(inventory, warn=warn, say=say, stopping=stopping)) as controller,
        ThreadPoolExecutor(THREADS, thread_name_prefix="controller") as pool,
    ):
        loop = Loop(controller, SystemClock(), say, stopping, pool)
        with told(inventory, listen, loop, say):
            loop.run()
