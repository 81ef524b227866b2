"""A plan, carried out: many nodes at once, one step a node at a time, each outcome recorded.

This is one of the two places that start threads (the other is `observe`). What fails takes with it only the
steps that needed it; the rest goes on, up to `max_failures` nodes. The calling thread keeps the lease alive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from threading import Event

from distctl.cluster.snapshot import Instant
from distctl.control.perform import Job, joined, perform
from distctl.errors import (
    BrokenOff,
    DistctlError,
    ForeignNode,
    Interrupted,
    LeaseHeld,
    PartialFailure,
    StaleGeneration,
    Unreachable,
)
from distctl.policy.plan import Plan, PlannedStep

WIDTH = 20  # nodes that change side by side
TURN = 0.25  # seconds between two looks at the lease, and at what may end the execution
TAKEN_OVER = (StaleGeneration, ForeignNode)  # somebody else goes on from here
PLAIN = (*TAKEN_OVER, LeaseHeld, Unreachable, Interrupted)  # errors that say all there is to say


class State(str, Enum):
    """Where a step is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # something it needed failed, or too much failed, or a signal came


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. `detail` is the last thing it said.

    `error` says why one failed, or what one that was done left out (a PartialFailure).
    """

    step: PlannedStep
    state: State
    seconds: float = 0.0
    detail: str = ""
    error: DistctlError | None = None


Watch = Callable[[Outcome], None]  # told of each start, word and end


class Course:
    """One plan on its way: which steps may start, and what became of those that ended."""

    def __init__(self, job: Job, plan: Plan, watch: Watch, max_failures: int) -> None:
        self.job, self.plan, self.watch, self.max_failures = job, plan, watch, max_failures
        self.outcomes: dict[int, Outcome] = {}
        self.running: dict[Future[list[Outcome]], tuple[PlannedStep, ...]] = {}
        self.over = Event()  # set when the command ends early: steps that run stop at their next word
        self._steps = {step.number: step for step in plan.steps}
        self._unmet = {step.number: set(step.needs) for step in plan.steps}
        self._followers: dict[int, list[int]] = defaultdict(list)
        self._queues: dict[str, list[int]] = defaultdict(list)  # by node: heaps of what may start
        self._failed: set[str] = set()  # nodes
        for step in plan.steps:
            for need in step.needs:
                self._followers[need].append(step.number)
            self._queue_if_met(step.number)

    def startable(self) -> list[tuple[PlannedStep, ...]]:
        """The steps that may start now, taken off their queues: one a node, as many as fit side by side.

        Models that may join one server together do so in one turn.
        """
        busy = {steps[0].operation.node for steps in self.running.values()}
        free = [node for node in self._queues if node not in busy][: WIDTH - len(busy)]
        found = [self._together(self._queues[node]) for node in free]
        for node in free:
            if not self._queues[node]:
                del self._queues[node]
        return found

    def _together(self, queue: list[int]) -> tuple[PlannedStep, ...]:
        """The next step of a node, with those after it that are done in the same turn."""
        steps = [self._steps[heappop(queue)]]
        while queue and joined(steps[0].operation, self._steps[queue[0]].operation):
            steps.append(self._steps[heappop(queue)])
        return tuple(steps)

    def take(self, outcome: Outcome) -> None:
        """Note how a step ended: it sets others free, or takes those with it that needed it.

        Raises the error of a step on a node that somebody else took over: the plan is no longer ours to do.
        """
        self._end(outcome)
        if isinstance(outcome.error, TAKEN_OVER):
            raise outcome.error
        number = outcome.step.number
        if outcome.state is State.DONE:
            for follower in self._followers[number]:
                self._unmet[follower].discard(number)
                self._queue_if_met(follower)
            return
        self._failed.add(outcome.step.operation.node)
        self._skip(self._after(number), "a step before it failed")
        if len(self._failed) > self.max_failures:
            why = f"failed nodes: {len(self._failed)}, more than --max-failures {self.max_failures}"
            running = {step.number for steps in self.running.values() for step in steps}
            self._queues.clear()
            self._skip([number for number in self._steps if number not in running], why)

    def tell_running(self, text: str) -> None:
        """Say something of every step that has not ended."""
        for future, steps in self.running.items():
            for step in () if future.done() else steps:
                self.watch(Outcome(step, State.RUNNING, detail=text))

    def settle(self) -> None:
        """Wait for what runs, and note what came to its end; what did not is running still, for the next."""
        for future in self.running:
            for outcome in future.result():
                if not isinstance(outcome.error, Interrupted):
                    self._end(outcome)

    def _queue_if_met(self, number: int) -> None:
        if not self._unmet[number] and number not in self.outcomes:
            heappush(self._queues[self._steps[number].operation.node], number)

    def _after(self, number: int) -> list[int]:
        """Every step that needs one, or needs one that does, in order."""
        found: set[int] = set()
        open_ = [number]
        while open_:
            new = set(self._followers[open_.pop()]) - found
            found |= new
            open_ += new
        return sorted(found)

    def _skip(self, numbers: Iterable[int], why: str) -> None:
        for number in numbers:
            if number not in self.outcomes:
                self._end(Outcome(self._steps[number], State.SKIPPED, detail=why))

    def _end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.step.number] = outcome
        self.watch(outcome)


def execute(
    job: Job,
    plan: Plan,
    *,
    watch: Watch,
    renew: Callable[[], None],
    max_failures: int = 1_000_000,
    pressing: Callable[[], str] = lambda: "",
) -> tuple[Outcome, ...]:
    """Carry out a plan; what comes back is the outcome of each step, in the plan's order.

    `renew` is called four times a second while it goes on and raises LeaseHeld when the lease is lost: then,
    when somebody took over a node, and at a signal, nothing new is started, what runs ends at its next word
    (a drain goes on where it was when the command is given again), and the error is raised again. The same
    with BrokenOff as soon as `pressing` says what is more urgent than this plan.
    """
    course = Course(job, plan, watch, max_failures)
    with ThreadPoolExecutor(WIDTH, thread_name_prefix="execute") as pool:
        try:
            _run(course, pool, renew, pressing)
        except BrokenOff:
            course.over.set()
            course.settle()
            raise
        except BaseException:
            course.over.set()
            course.tell_running("the command ends once this step has")
            raise
    return tuple(course.outcomes[step.number] for step in plan.steps)


def _run(
    course: Course, pool: ThreadPoolExecutor, renew: Callable[[], None], pressing: Callable[[], str]
) -> None:
    while len(course.outcomes) < len(course.plan.steps):
        for steps in course.startable():
            course.running[pool.submit(_do, course, steps)] = steps
        done, _ = wait(course.running, timeout=TURN, return_when=FIRST_COMPLETED)
        for future in done:
            del course.running[future]
            for outcome in future.result():
                course.take(outcome)
        renew()
        if len(course.outcomes) < len(course.plan.steps) and (why := pressing()):
            raise BrokenOff(why)


def _do(course: Course, steps: tuple[PlannedStep, ...]) -> list[Outcome]:
    """Do one step, or several in one turn; what became of each."""
    clock = course.job.world.clock
    begun: Instant = clock.now()

    def report(text: str) -> None:
        if course.over.is_set():
            raise Interrupted(f"{steps[0].operation.text}: ended with the command")
        for step in steps:
            course.watch(Outcome(step, State.RUNNING, clock.now() - begun, text))

    try:
        report("")
        errors = perform(course.job, [step.operation for step in steps], report)
    except DistctlError as error:
        errors = [error] * len(steps)
    seconds = clock.now() - begun
    return [_outcome(course.job, step, seconds, error) for step, error in zip(steps, errors, strict=True)]


def _outcome(job: Job, step: PlannedStep, seconds: float, error: DistctlError | None) -> Outcome:
    if error is None or isinstance(error, PartialFailure):
        return Outcome(step, State.DONE, seconds, error=error)
    cause = error if isinstance(error, PLAIN) else _taken_over(job, step) or error
    return Outcome(step, State.FAILED, seconds, cause.message, cause)


def _taken_over(job: Job, step: PlannedStep) -> DistctlError | None:
    """The error to tell instead of a step's own when somebody else works there now."""
    for place in job.places(step.operation.node):
        try:
            job.world.node(place).confirm()
        except TAKEN_OVER as error:
            return error
        except DistctlError:
            continue  # it is the step's own error that says what is wrong
    return None
