"""Both loops, run on a clock that does not wait: nothing is hidden, and nothing is without an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from distctl.adapters.bench.drive import UNSENT, drive
from distctl.policy.bench.step import MOST_IN_FLIGHT, Arrivals, Loop, Step
from distctl.policy.bench.tally import Answer, Failed, Own, StepResult, Tally, result
from distctl.testing import HurriedLoop

SERVICE = 0.002  # seconds


class Server:
    """Answers in a fixed time, and holds everything that would be answered during a stall until its end."""

    def __init__(
        self, stall: tuple[float, float] = (0.0, 0.0), fails: Callable[[float], bool] = lambda _: False
    ) -> None:
        self._begin, self._end = stall
        self._fails = fails
        self.asked = self.most = self.in_flight = 0

    async def ask(self, lane: int) -> Answer:
        now = asyncio.get_running_loop().time()
        self.asked, self.in_flight = self.asked + 1, self.in_flight + 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self._end - now if self._begin <= now < self._end else SERVICE)
        finally:
            self.in_flight -= 1
        if self._fails(now):
            raise Failed("HTTP 503", "busy")
        return Answer(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Nothing is open."""


def run(step: Step, server: Server, *, patience: float = 60.0, break_off: float | None = None) -> StepResult:
    """A step from its begin to its last answer, or to when it is broken off."""
    tally = Tally(step.warmup)

    async def work() -> None:
        await asyncio.wait_for(drive(step, server, tally, start=0.0, patience=patience), break_off)

    with contextlib.closing(HurriedLoop()) as loop, contextlib.suppress(asyncio.TimeoutError):
        loop.run_until_complete(work())
    return result(step, tally, Own(0.0))


def p99(found: StepResult) -> float:
    assert found.latency is not None
    return found.latency["p99"]


STALL = (5.0, 6.0)


def test_a_stall_of_a_second_shows_in_p99_of_an_open_loop() -> None:
    """10 s at 100/s: the 100 requests of that second wait 0.5 s on average, the worst tenth of them 0.9 s."""
    found = run(Step(Loop.OPEN, 100, 10.0, arrivals=Arrivals.CONSTANT), Server(STALL))
    assert found.requests == 1000
    assert p99(found) > 0.89
    assert found.latency is not None
    assert found.latency["p50"] < 0.01


def test_the_same_stall_is_one_request_of_a_closed_loop_and_hidden_from_its_p99() -> None:
    found = run(Step(Loop.CLOSED, 1, 10.0), Server(STALL))
    assert found.requests > 4000
    assert p99(found) < 0.01
    assert found.latency is not None
    assert found.latency.longest > 0.99


def test_a_closed_loop_has_never_more_in_flight_than_clients() -> None:
    server = Server()
    found = run(Step(Loop.CLOSED, 7, 2.0), server)
    assert server.most == 7
    assert found.rate > 0.95 * 7 / SERVICE


def test_a_step_ends_after_its_requests() -> None:
    server = Server()
    for step in (Step(Loop.CLOSED, 4, 10.0, 50, warmup=0.0), Step(Loop.OPEN, 100, 10.0, 50, warmup=0.0)):
        assert run(step, server).requests == 50
    assert server.asked == 100


def test_what_is_late_for_lack_of_room_counts_from_when_it_was_due() -> None:
    """A server that answers nothing for 4 s gets what may be in flight; the rest waits."""
    server = Server((0.0, 4.0))
    found = run(Step(Loop.OPEN, 1000, 2.0, warmup=0.0, arrivals=Arrivals.CONSTANT), server)
    assert server.most == MOST_IN_FLIGHT
    assert (found.requests, found.failed) == (2000, 0)
    assert found.latency is not None
    assert found.latency["p50"] > 2.0
    assert found.late is not None
    assert found.late["p50"] > 1.0


def test_what_can_never_be_sent_counts_as_failed_and_the_step_ends() -> None:
    found = run(Step(Loop.OPEN, 1000, 2.0, warmup=0.0), Server((0.0, 30.0)), patience=5.0)
    assert found.requests == 2000
    assert [(e.kind, e.count) for e in found.errors] == [(UNSENT, 2000 - MOST_IN_FLIGHT)]


def test_a_server_that_refuses_is_not_asked_by_the_thousand() -> None:
    server = Server(fails=lambda _: True)
    found = run(Step(Loop.CLOSED, 1, 2.0, warmup=0.0), server)
    assert found.failed == found.requests == server.asked
    assert 30 < server.asked < 60


def test_a_step_that_is_broken_off_keeps_what_it_has_and_leaves_nothing_under_way() -> None:
    for step in (Step(Loop.CLOSED, 4, 100.0), Step(Loop.OPEN, 100, 100.0)):
        server = Server()
        found = run(step, server, break_off=3.0)
        assert 150 < found.requests < 5000
        assert server.in_flight == 0
