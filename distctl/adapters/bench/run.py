"""A whole measurement: its steps one after the other, in one event loop that Ctrl-C ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import selectors
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from distctl.adapters.bench.drive import drive
from distctl.adapters.bench.own import share, used
from distctl.adapters.bench.senders import Sender, Target, sender
from distctl.policy.bench.data import Request
from distctl.policy.bench.quantiles import Times
from distctl.policy.bench.step import Loop, Step
from distctl.policy.bench.tally import StepResult, Tally, result

LOOK = 0.5  # seconds between two looks at a step under way
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Look:
    """A step under way: seconds since its warm-up ended (before: negative), and what came since the last."""

    step: Step
    elapsed: float
    rate: float
    latency: Times | None
    failed: int  # since the begin of the step


Watch = Callable[[Look | StepResult], None]


@dataclass(slots=True)
class Measured:
    """Results of the steps that were begun, and the signal that ended the last one, 0 for none."""

    results: list[StepResult]
    signal: int = 0


def measure(
    steps: Sequence[Step],
    target: Target,
    model: str,
    requests: Sequence[Request],
    watch: Watch,
) -> Measured:
    """Run the steps; `watch` is told how they go and each result. Raises InputError for unusable requests."""
    measured = Measured([])
    with contextlib.closing(_event_loop(steps)) as loop:
        work = loop.create_task(_Run(target, model, requests, watch, measured).steps(steps))
        with _broken_off(loop, work, measured), contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(work)
        loop.run_until_complete(loop.shutdown_asyncgens())
    return measured


def _event_loop(steps: Sequence[Step]) -> asyncio.AbstractEventLoop:
    """A loop that keeps a schedule to some microseconds: epoll, the default, rounds up to milliseconds."""
    if any(step.loop is Loop.OPEN for step in steps):
        return asyncio.SelectorEventLoop(selectors.SelectSelector())
    return asyncio.SelectorEventLoop()


@contextlib.contextmanager
def _broken_off(
    loop: asyncio.AbstractEventLoop, work: asyncio.Task[None], measured: Measured
) -> Iterator[None]:
    """Signals break the work off instead of raising in the midst of it; a second one ends the process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int) -> None:
        measured.signal = number
        for each in SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        work.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Run:
    """What all steps of a measurement share."""

    target: Target
    model: str
    requests: Sequence[Request]
    watch: Watch
    measured: Measured

    async def steps(self, steps: Sequence[Step]) -> None:
        """One after the other, each with connections of its own."""
        for step in steps:
            connected = sender(self.target, self.model, self.requests, step.connections)
            try:
                await self._step(step, connected)
            finally:
                await connected.close()

    async def _step(self, step: Step, connected: Sender) -> None:
        gc.collect()
        gc.freeze()  # what is there now is not looked at again and again while times are taken
        start = asyncio.get_running_loop().time()
        tally = Tally(start + step.warmup)
        looks = asyncio.create_task(_looking(step, tally, self.watch))
        before, whole = used(), False
        try:
            await drive(step, connected, tally, start=start, patience=self.target.timeout)
            whole = True
        finally:
            looks.cancel()
            seconds = asyncio.get_running_loop().time() - start
            found = result(step, tally, share(before, seconds), whole=whole)
            self.measured.results.append(found)
            self.watch(found)


async def _looking(step: Step, tally: Tally, watch: Watch) -> None:
    clock = asyncio.get_running_loop().time
    before = clock()
    while True:
        await asyncio.sleep(LOOK)
        count, now = len(tally.recent), clock()
        watch(Look(step, now - tally.since, count / (now - before), tally.look(), tally.failed))
        before = now
