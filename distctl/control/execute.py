"""A plan, carried out: many nodes at once, one step a node at a time, each outcome recorded.

This is one of the two places that start threads (the other is `observe`). What fails takes with it only the
steps that needed it; the rest goes on, up to `max_failures` nodes. The calling thread keeps the lease alive.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from distctl.cluster.snapshot import Instant
from distctl.control.perform import Job, perform
from distctl.errors import DistctlError
from distctl.policy.operations import Plan, PlannedStep

WIDTH = 20  # nodes that change side by side
TURN = 1.0  # seconds between two renewals of the lease


class State(str, Enum):
    """Where a step is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # something it needed failed, or too much failed, or a signal came


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. `error` stands on a failed one, `detail` is the last thing it said."""

    step: PlannedStep
    state: State
    seconds: float = 0.0
    detail: str = ""
    error: DistctlError | None = None


Watch = Callable[[Outcome], None]  # told of each start, word and end


@dataclass(slots=True)
class Course:
    """One plan on its way."""

    job: Job
    plan: Plan
    watch: Watch
    max_failures: int
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    running: dict[Future[Outcome], PlannedStep] = field(default_factory=dict)
    stopped: str = ""  # why nothing more is started

    def startable(self) -> list[PlannedStep]:
        """The steps that may start now: needs done, node free. Skips those that never can."""
        busy = {step.operation.node for step in self.running.values()}
        found = []
        for step in self.plan.steps:
            if step.number in self.outcomes or step in self.running.values():
                continue
            if self.stopped or self._hopeless(step):
                self._end(Outcome(step, State.SKIPPED, detail=self.stopped or "a step before it failed"))
            elif self._ready(step) and step.operation.node not in busy:
                busy.add(step.operation.node)
                found.append(step)
        return found

    def take(self, outcome: Outcome) -> None:
        """Note how a step ended."""
        self._end(outcome)
        failed = {o.step.operation.node for o in self.outcomes.values() if o.state is State.FAILED}
        if len(failed) > self.max_failures:
            self.stopped = f"{len(failed)} nodes failed, more than --max-failures {self.max_failures}"

    def _end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.step.number] = outcome
        self.watch(outcome)

    def _ready(self, step: PlannedStep) -> bool:
        return all(n in self.outcomes and self.outcomes[n].state is State.DONE for n in step.needs)

    def _hopeless(self, step: PlannedStep) -> bool:
        ended = (self.outcomes[n] for n in step.needs if n in self.outcomes)
        return any(outcome.state in (State.FAILED, State.SKIPPED) for outcome in ended)


def execute(
    job: Job,
    plan: Plan,
    *,
    watch: Watch,
    renew: Callable[[], None],
    max_failures: int = 1_000_000,
) -> tuple[Outcome, ...]:
    """Carry out a plan; what comes back is the outcome of each step, in the plan's order.

    `renew` is called every second while it goes on and raises LeaseHeld when the lease is lost: then, and at
    a signal, nothing new is started, what runs is waited for, and the error is raised again.
    """
    course = Course(job, plan, watch, max_failures)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="execute") as pool:
        try:
            _run(course, pool, renew)
        except BaseException:
            course.stopped = "interrupted"
            raise
    return tuple(course.outcomes[step.number] for step in plan.steps)


def _run(course: Course, pool: ThreadPoolExecutor, renew: Callable[[], None]) -> None:
    while len(course.outcomes) < len(course.plan.steps):
        for step in course.startable():
            course.running[pool.submit(_do, course.job, step, course.watch)] = step
        if not course.running:
            continue
        done, _ = wait(course.running, timeout=TURN, return_when=FIRST_COMPLETED)
        for future in done:
            del course.running[future]
            course.take(future.result())
        renew()


def _do(job: Job, step: PlannedStep, watch: Watch) -> Outcome:
    begun: Instant = job.world.clock.now()
    watch(Outcome(step, State.RUNNING))
    try:
        perform(job, step.operation, partial(_say, watch, job, step, begun))
    except DistctlError as error:
        return Outcome(step, State.FAILED, job.world.clock.now() - begun, error.message, error)
    return Outcome(step, State.DONE, job.world.clock.now() - begun)


def _say(watch: Watch, job: Job, step: PlannedStep, begun: Instant, text: str) -> None:
    watch(Outcome(step, State.RUNNING, job.world.clock.now() - begun, text))
