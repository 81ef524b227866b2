"""What happened to the requests of one step, as it happens, and the figures that come of it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from distctl.policy.bench.quantiles import Times, histogram, times
from distctl.policy.bench.step import Loop, Step


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered request: when its first answer came, by the same clock as everything, and how many came."""

    first: float
    answers: int = 1


class Failed(Exception):
    """A request that was not answered well: a kind that can be counted, and what was said."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind, self.words = kind, words


@dataclass(slots=True)
class Tally:
    """Requests of one step that were meant for `since` or later; the warm-up's are left out.

    All instants are of one clock, in seconds. Latency counts from when a request was meant to be sent.
    """

    since: float
    latency: array[float] = field(default_factory=lambda: array("d"))
    first: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))  # sent so long after it was meant to be
    recent: list[float] = field(default_factory=list)  # latencies since the last look
    answers: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    begin: float = float("inf")
    last: float = 0.0  # when the last counted request was meant to be sent
    end: float = 0.0

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(self.errors.values())

    def answered(self, meant: float, sent: float, answer: Answer, now: float) -> None:
        """Take a request that was answered whole by `now`."""
        if self._counts(meant, now):
            self.latency.append(now - meant)
            self.first.append(answer.first - meant)
            self.late.append(sent - meant)
            self.recent.append(now - meant)
            self.answers += answer.answers

    def lost(self, meant: float, why: Failed, now: float) -> None:
        """Take a request that failed at `now`."""
        if self._counts(meant, now):
            self.errors[why.kind] = self.errors.get(why.kind, 0) + 1
            self.examples.setdefault(why.kind, why.words)

    def _counts(self, meant: float, now: float) -> bool:
        if meant < self.since:
            return False
        self.begin, self.last, self.end = min(self.begin, meant), max(self.last, meant), max(self.end, now)
        return True

    def look(self) -> Times | None:
        """What the latencies since the last look come to."""
        found, self.recent = times(self.recent), []
        return found


@dataclass(frozen=True, slots=True)
class Own:
    """What the generator used itself and how long it waited for a processor: seconds, or parts of a core."""

    cpu: float
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """Failures of one kind: how many, and what was said of the first."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """The figures of one step. Times are those of answered requests, in seconds; None without any.

    `first` is the time to the first answer, `late` how long after its instant a request was sent; `own` is
    the generator's, in parts of a core. `overtime` is how long after the last request was due the last
    answer came, seconds; `growth` how many times the median latency of the first quarter of the requests
    that of the last quarter is. `whole` is False when the step was broken off.
    """

    step: Step
    requests: int
    failed: int
    seconds: float
    answers: int
    own: Own
    latency: Times | None
    first: Times | None
    late: Times | None
    histogram: tuple[tuple[float, int], ...]
    errors: tuple[ErrorKind, ...]
    overtime: float = 0.0
    growth: float = 1.0
    whole: bool = True

    @property
    def rate(self) -> float:
        """Requests answered well, per second."""
        return (self.requests - self.failed) / self.seconds if self.seconds else 0.0

    @property
    def answer_rate(self) -> float:
        """Answers per second: of a stream each counts."""
        return self.answers / self.seconds if self.seconds else 0.0


def result(step: Step, tally: Tally, own: Own, *, whole: bool = True) -> StepResult:
    """The figures of a step; `own` in parts of a core."""
    kinds = sorted(tally.errors.items(), key=lambda kind: -kind[1])
    return StepResult(
        step,
        requests=len(tally.latency) + tally.failed,
        failed=tally.failed,
        seconds=_seconds(step, tally, whole=whole),
        answers=tally.answers,
        own=own,
        latency=times(tally.latency),
        first=times(tally.first),
        late=times(tally.late),
        histogram=histogram(tally.latency),
        errors=tuple(ErrorKind(kind, count, tally.examples[kind]) for kind, count in kinds),
        overtime=max(0.0, tally.end - tally.last),
        growth=_growth(tally.latency),
        whole=whole,
    )


def _growth(latency: Sequence[float]) -> float:
    quarter = len(latency) // 4
    if not quarter:
        return 1.0
    return median(latency[-quarter:]) / median(latency[:quarter])


def _seconds(step: Step, tally: Tally, *, whole: bool) -> float:
    """How long the counted requests took: from the first to the last answer.

    An open loop took at least as long as it was asked to: the gap after its last request is part of it.
    """
    if tally.end < tally.begin:
        return 0.0
    if step.loop is Loop.CLOSED or not whole:
        return tally.end - tally.begin
    return max(tally.end - tally.since, step.planned)
