"""What became of each step of a plan, kept in the record while it is carried out.

A step that is `running` there and has no lease holder was interrupted; `distctl events --steps` shows it.
"""

from __future__ import annotations

from collections.abc import Callable

from distctl.cluster.record import OperationEntry, OperationState, SetOperation
from distctl.cluster.snapshot import Instant
from distctl.control.execute import Outcome, State, Watch
from distctl.ports import Clock, Store

STATES = {
    State.RUNNING: OperationState.RUNNING,
    State.DONE: OperationState.DONE,
    State.FAILED: OperationState.FAILED,
    State.SKIPPED: OperationState.SKIPPED,
}


WORDS = 1.0  # seconds between two words of a step that somebody follows


def journal(store: Store, clock: Clock, token: int, plan: str, watch: Watch, *, words: bool = False) -> Watch:
    """A watcher that writes down each step's begin and end under the plan's id, and passes all on to `watch`.

    With `words` also what a step says meanwhile, once a second at most: somebody reads it in the record.
    It raises LeaseHeld in the step's own thread when the lease is no longer ours: the step is not begun then.
    """
    begun: dict[int, Instant] = {}
    told: dict[int, tuple[str, Instant]] = {}  # by step: its last word that was written down, and when

    def news(outcome: Outcome) -> bool:
        number, now = outcome.step.number, clock.now()
        if outcome.state is State.RUNNING and number in begun:
            last, at = told.get(number, ("", begun[number]))
            if not words or outcome.detail == last or (last and now - at < WORDS):
                return False
        told[number] = outcome.detail, now
        return True

    def kept(outcome: Outcome) -> None:
        number = outcome.step.number
        if news(outcome):
            begun.setdefault(number, clock.now() - outcome.seconds)
            store.commit(token, [SetOperation(_entry(plan, outcome, begun[number], clock.now))])
        watch(outcome)

    return kept


def _entry(plan: str, outcome: Outcome, begun: Instant, now: Callable[[], Instant]) -> OperationEntry:
    over = outcome.state is not State.RUNNING
    return OperationEntry(
        plan=plan,
        number=outcome.step.number,
        what=f"{outcome.step.operation.node}: {outcome.step.operation.text}",
        state=STATES[outcome.state],
        started=0.0 if outcome.state is State.SKIPPED else begun,
        ended=now() if over else 0.0,
        outcome=outcome.detail,
    )
