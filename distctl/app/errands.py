"""The command's side of errands: its wish is written, a controller carries it out, the command follows.

Whether that is so is decided here, for every command. Where no controller leads a command carries its wish
out itself, and likewise the rest of one whose controller ended meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

from distctl.app.change import Manner, Prepared, carry_intents, carry_out, prepare
from distctl.app.leasing import Keeper, leased
from distctl.app.preconditions import refuse
from distctl.app.session import Session
from distctl.app.told_steps import outcome_of, tale
from distctl.cluster.lease import said
from distctl.cluster.record import Change, Errand, ErrandState, Lease, OperationEntry, SetErrand
from distctl.control.execute import Outcome, State, Watch
from distctl.errors import DistctlError, Interrupted

POLL = 0.2  # seconds between two looks at how far the controller is
SHORTLY = 15.0  # seconds that commands wait for each other, where each has the lease for a moment alone
PATIENCE = 30.0  # seconds that a controller may leave an errand alone while nobody has the lease
CTRL_C = 130
BACK = {  # what takes a command back, where its own words do not
    "cordon": "undrain",
    "drain": "undrain",
    "undrain": "drain",
    "router drain": "router undrain",
    "router stop": "router launch",
    "router undrain": "router drain",
    "power on": "power off",
    "power off": "power on",
}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a command asks for. `changes` are its wish, written with the request; `names` what it names.

    `places` are the nodes and routers' places that its options are for. `detached`: nobody waits for the end.
    """

    what: str
    names: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    places: tuple[str, ...] = ()
    drain_seconds: float | None = None
    force: bool = False
    detached: bool = False

    @property
    def words(self) -> str:
        """The command in words."""
        return " ".join([self.what, *self.names])


def executor(session: Session) -> Lease | None:
    """The controller that carries out what is asked for now; None where a command does so itself.

    A controller works from the record's newest revision: where the file says something else by now, it would
    not do what the command shows.
    """
    leader = session.store.leader()
    if leader is None or session.has_ended(leader.owner):
        return None
    record = session.store.load()
    if record.taken_down or record.revision is None:
        return None
    return leader if record.revision.document == session.spec_document() else None


@contextmanager
def asking(session: Session, reason: str, *, wait: float, say: Say) -> Iterator[Keeper]:
    """As `leased`, for a command that may leave the work to a controller: its plan is what that would do."""
    shortly = SHORTLY if executor(session) is not None else 0.0
    with leased(session, reason, wait=max(wait, shortly), say=say) as keeper:
        session.steady = executor(session) is not None
        yield keeper


def carried(
    session: Session, keeper: Keeper, prepared: Prepared, request: Request, *, watch: Watch, say: Say
) -> tuple[Outcome, ...]:
    """Write a wish and have it carried out, by the controller that leads or here: what became of each step.

    Raises Refused and the like before anything is written; else as `carry_out` does. A controller has the
    lease meanwhile, and the keeper none at the end: see `Keeper.hold`.
    """
    if not prepared.plan.empty:
        refuse(session, prepared, force=request.force)
    if executor(session) is not None:
        return _handed_over(session, keeper, request, watch=watch, say=say)
    session.store.commit(keeper.lease.token, request.changes)
    if prepared.plan.empty:
        carry_intents(session, keeper, prepared)
        return ()
    seconds = 0.0 if request.detached else request.drain_seconds
    manner = Manner(force=request.force, drain_seconds=seconds)
    return carry_out(session, keeper, prepared, watch=watch, what=request.what, manner=manner)


def _handed_over(
    session: Session, keeper: Keeper, request: Request, *, watch: Watch, say: Say
) -> tuple[Outcome, ...]:
    """Let the controller carry it out, and follow; what comes back is as if it had been done here."""
    errand = ask(session, keeper, request)
    if request.detached:
        say(f"the controller carries it out; `distctl {request.words}` waits for its end")
        return ()
    errand, done = follow(session, keeper, errand, watch=watch, say=say)
    if errand.state is ErrandState.DONE:
        return done
    again = prepare(session, keeper, awaited=errand.places)
    if again.plan.empty:
        carry_intents(session, keeper, again)
        return done
    refuse(session, again, force=errand.force)
    manner = Manner(errands=(replace(errand, begun=errand.begun or session.clock.now()),))
    return (*done, *carry_out(session, keeper, again, watch=watch, what=errand.what, manner=manner))


def ask(session: Session, keeper: Keeper, request: Request) -> Errand:
    """Write a wish and the request for a pass, both or none, and give the lease back."""
    errand = Errand(
        id=uuid4().hex[:12],
        what=request.what,
        words=request.words,
        by=session.author,
        since=session.clock.now(),
        places=request.places,
        drain_seconds=request.drain_seconds,
        force=request.force,
    )
    session.store.commit(keeper.lease.token, [*request.changes, SetErrand(errand)])
    keeper.pause()
    return errand


def follow(
    session: Session, keeper: Keeper, errand: Errand, *, watch: Watch, say: Say
) -> tuple[Errand, tuple[Outcome, ...]]:
    """Wait for the end of an errand; the errand then, and what became of its steps.

    One that is withdrawn is the command's own to carry out: the keeper has the lease. Raises what ended the
    pass for it.
    """
    following = Following(session, keeper, errand, watch, say)
    while True:
        try:
            if (over := following.step()) is not None:
                return over
            session.clock.sleep(POLL)
        except Interrupted as stop:
            if stop.exit_code != CTRL_C:
                raise
            say(goes_on(errand))


def goes_on(errand: Errand) -> str:
    """What an operator is told who does not want to wait."""
    return (
        f"the controller goes on with `{errand.words}`: `distctl events --steps` shows how far it is,"
        f" `distctl {_back(errand)}` takes it back; Ctrl-C once more ends this command"
    )


def _back(errand: Errand) -> str:
    """The command that takes another one back; counts go back to the file."""
    names = errand.words.removeprefix(errand.what).split()
    if errand.what in BACK:
        return " ".join([BACK[errand.what], *names])
    counts = (name.rpartition("=") for name in names)
    return " ".join([errand.what, *(f"{name}{found}auto" for name, found, _ in counts)])


@dataclass(slots=True)
class Following:
    """One command that follows its errand, look by look."""

    session: Session
    keeper: Keeper
    errand: Errand
    watch: Watch
    say: Say
    _seen: dict[str, Sequence[OperationEntry]] = field(default_factory=dict)  # by plan, in their order

    def step(self) -> tuple[Errand, tuple[Outcome, ...]] | None:
        """Tell what is new; the end once it has come."""
        errand = self._now()
        for plan in errand.plans:
            self._tell(plan)
        if not errand.open:
            whole = tale(errand.outcome).whole
            if whole is not None:
                raise whole
            return errand, self._outcomes(errand)
        why = self._alone(errand)
        if not why or not self.keeper.try_hold():
            return None
        errand = self._now()
        if not errand.open:
            return self.step()
        self.say(f"{why}: this command carries out the rest itself")
        withdrawn = replace(errand, state=ErrandState.WITHDRAWN)
        self.session.store.commit(self.keeper.lease.token, [SetErrand(withdrawn)])
        return withdrawn, self._outcomes(errand)

    def _now(self) -> Errand:
        found = self.session.store.errand(self.errand.id)
        if found is None:
            raise DistctlError(
                f"{self.errand.words}: the record does not know of it any more",
                hint="look at the cluster with `distctl status`, then give the command again",
            )
        self.errand = found
        return found

    def _alone(self, errand: Errand) -> str:
        """Why no controller will carry it out, "" while one does."""
        store = self.session.store
        leader = store.leader()
        if leader is None:
            return "no controller leads any more"
        if self.session.has_ended(leader.owner):
            return f"{said(leader.owner)}, which led, has ended"
        late = self.session.clock.now() - errand.since > PATIENCE
        if late and not errand.plans and store.holder() is None:
            return f"{said(leader.owner)} has not taken it up within {PATIENCE:.0f} s"
        return ""

    def _tell(self, plan: str) -> None:
        """Show what is new of the steps of one pass."""
        before = {entry.number: entry for entry in self._seen.get(plan, ())}
        self._seen[plan] = entries = self.session.store.operations(plan)
        for entry in entries:
            if before.get(entry.number) != entry:
                self.watch(outcome_of(entry, self._first(plan) + entry.number))

    def _first(self, plan: str) -> int:
        """How many steps the passes before had, so that each step has a number of its own."""
        plans = list(self._seen)
        before = plans[: plans.index(plan)]
        return sum(max((entry.number for entry in self._seen[p]), default=0) for p in before)

    def _outcomes(self, errand: Errand) -> tuple[Outcome, ...]:
        """What became of every step; of passes that were broken off, of those that came to an end."""
        told = tale(errand.outcome)
        found = [
            outcome_of(entry, self._first(plan) + entry.number, told.error(plan, entry.number))
            for plan in errand.plans
            for entry in self._seen.get(plan, ())
        ]
        last = self._first(errand.plans[-1]) if errand.plans else 0
        return tuple(
            o
            for o in found
            if o.state in (State.DONE, State.FAILED) or (o.state is State.SKIPPED and o.step.number > last)
        )
