"""The two loops: clients that wait for their answers, and a schedule that waits for nobody.

In an open loop latency counts from the instant at which a request was due, so a stall of the target is seen
by every request that was due meanwhile; a closed loop would have sent none and hidden it ("coordinated
omission").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from distctl.adapters.bench.senders import Sender
from distctl.policy.bench.arrivals import due
from distctl.policy.bench.step import Loop, Step
from distctl.policy.bench.tally import Failed, Tally

Clock = Callable[[], float]
PAUSE = 0.05  # seconds that a client of a closed loop waits after a failure: refusals come by the thousand
UNSENT = "not sent"


async def drive(step: Step, sender: Sender, tally: Tally, *, start: float, patience: float) -> None:
    """Send what a step says into a tally, and return when the last answer is there.

    `start` is when the warm-up begins, by the loop's clock. In an open loop, what could not be sent
    `patience` seconds after the end since too much was in flight counts as failed.
    """
    if step.loop is Loop.CLOSED:
        await _closed(step, sender, tally, start)
    else:
        await _open(step, sender, tally, start, patience)


async def _closed(step: Step, sender: Sender, tally: Tally, start: float) -> None:
    clock = asyncio.get_running_loop().time
    end = start + step.warmup + step.seconds
    begun = 0

    async def client(lane: int) -> None:
        nonlocal begun
        while begun < step.requests and (now := clock()) < end:
            begun += now >= tally.since
            if not await _one(sender, lane, tally, now, clock):
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(client(lane) for lane in range(int(step.level))))


async def _open(step: Step, sender: Sender, tally: Tally, start: float, patience: float) -> None:
    clock = asyncio.get_running_loop().time
    free = asyncio.Semaphore(step.connections)
    last = start + step.warmup + step.seconds + patience
    under_way: set[asyncio.Task[None]] = set()

    async def one(lane: int, at: float) -> None:
        try:
            await _one(sender, lane, tally, at, clock)
        finally:
            free.release()

    try:
        for lane, offset in enumerate(due(step)):
            at = start + offset
            if at > clock():
                await asyncio.sleep(at - clock())
            if not await _within(free, last - clock()):
                tally.lost(at, Failed(UNSENT, f"{step.connections} requests were in flight"), clock())
                continue
            task = asyncio.create_task(one(lane, at))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _within(free: asyncio.Semaphore, seconds: float) -> bool:
    """Whether there was room for one request more before the time was over."""
    if not free.locked():
        return await free.acquire()
    if seconds <= 0:
        return False
    try:
        return await asyncio.wait_for(free.acquire(), seconds)
    except asyncio.TimeoutError:
        return False


async def _one(sender: Sender, lane: int, tally: Tally, meant: float, clock: Clock) -> bool:
    """One request; whether it was answered well."""
    sent = clock()
    try:
        answer = await sender.ask(lane)
    except Failed as why:
        tally.lost(meant, why, clock())
        return False
    tally.answered(meant, sent, answer, clock())
    return True
