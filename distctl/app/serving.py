"""The controller's side of errands: a pass takes all that are open, and writes what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

from distctl.app.change import Manner
from distctl.app.leasing import Keeper
from distctl.app.power import BY_HAND, switch_all
from distctl.app.session import Session
from distctl.app.told_steps import Tale, tale
from distctl.cluster.record import Errand, ErrandState, SetErrand
from distctl.control.execute import Outcome
from distctl.errors import BrokenOff, DistctlError, Interrupted, LeaseHeld, StoreError
from distctl.policy.errands import FRESH, in_order

GOES_ON = (BrokenOff, Interrupted, LeaseHeld, StoreError)  # the next pass, or the command itself, goes on


@dataclass(slots=True)
class Service:
    """The errands that one pass carries out; often none. `plan` is the id of its steps in the journal."""

    session: Session
    keeper: Keeper
    plan: str
    errands: tuple[Errand, ...]
    _failed: dict[str, DistctlError] = field(default_factory=dict)  # by PLAN:NUMBER

    @property
    def awaited(self) -> tuple[str, ...]:
        """The places whose last requests somebody waits for."""
        return tuple(sorted({place for errand in self.errands for place in errand.places}))

    def manner(self, pressing: Callable[[], str]) -> Manner:
        """How the pass is carried out."""
        return Manner(plan=self.plan, errands=self.errands, pressing=pressing)

    @property
    def force(self) -> bool:
        """Whether somebody said that a last ready replica may be taken."""
        return any(errand.force for errand in self.errands)

    def watch(self, outcome: Outcome) -> None:
        """Keep why a step failed; the rest is in the journal."""
        if outcome.error is not None:
            self._failed[f"{self.plan}:{outcome.step.number}"] = outcome.error

    def switch(self) -> list[DistctlError]:
        """Turn on and off the nodes of which a command said so; these errands are over then."""
        ours = [errand for errand in self.errands if errand.what in BY_HAND]
        powers = self.session.store.load().powers
        found: list[DistctlError] = []
        for errand in ours:
            known = [powers[name] for name in errand.places if name in powers]
            turned = [power for power in known if power.state is BY_HAND[errand.what]]
            failed = switch_all(self.session, self.keeper, turned)
            self._write([errand], ErrandState.DONE, failed[0] if failed else None)
            found += failed
        self.errands = tuple(errand for errand in self.errands if errand not in ours)
        self.session.attended = bool(self.errands)
        return found

    def keep(self) -> None:
        """Write how far the errands are, for the pass that goes on with them."""
        self._write(self.errands, ErrandState.OPEN)

    def close(self, error: DistctlError | None = None) -> None:
        """Write that the errands are carried out, or why they cannot be."""
        self._write(self.errands, ErrandState.DONE, error)

    def _write(
        self, errands: Sequence[Errand], state: ErrandState, error: DistctlError | None = None
    ) -> None:
        told = [(e, Tale({**tale(e.outcome).steps, **self._failed}, error).text) for e in errands]
        changes = [SetErrand(replace(errand, state=state, outcome=text)) for errand, text in told]
        if changes:
            self.session.store.commit(self.keeper.lease.token, changes)


@contextmanager
def served(session: Session, keeper: Keeper) -> Iterator[Service]:
    """Take what is asked for now. At the end it is done, refused with an error, or left to the next pass."""
    now, plan = session.clock.now(), uuid4().hex[:12]
    known = in_order(session.store.load().errands.values())
    found = [errand for errand in known if errand.open]
    stale = [replace(e, state=ErrandState.WITHDRAWN) for e in known if not e.open and now - e.since > FRESH]
    taken = tuple(replace(e, begun=e.begun or now, plans=(*e.plans, plan)) for e in found)
    session.attended = bool(taken)  # somebody waits for the servers that start
    if taken or stale:
        session.store.commit(keeper.lease.token, [SetErrand(errand) for errand in (*taken, *stale)])
    service = Service(session, keeper, plan, taken)
    try:
        yield service
    except BrokenOff:
        service.keep()
        raise
    except GOES_ON:
        raise
    except DistctlError as error:
        service.close(error)
        raise
    service.close()
