"""Who is asked whom when: a task for each server and each router, in one event loop, in one thread.

Tasks do not wait for each other, so whoever is slow, lies or is dead delays nobody. Each begins at its own
place within the second; what was found stands in a table that `servers` and `routers` copy at once.
"""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from time import monotonic, time
from typing import Any

from distctl.adapters.polling.http import Inquiry
from distctl.adapters.polling.lines import Lines
from distctl.adapters.polling.prober import Prober
from distctl.adapters.polling.pulse import Pulse
from distctl.adapters.polling.server import Known, Target, ask, learn
from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Instant, ServerSight
from distctl.cluster.spec import RouterId, ServerId
from distctl.errors import DistctlError
from distctl.policy.asking import (
    ALONE,
    EVERYTHING,
    INTERVAL,
    LEARNT,
    brisk,
    due,
    head_start,
    lets_go,
    pause,
    period,
    phase,
)

DEADLINE = 2.0  # seconds for all answers of one server in one turn
SPREAD = 0.9  # of the second in which the servers' turns begin
WIDTH = 16  # routers whose sockets are asked at once; one that hangs holds one of these threads
FILES = 65_536  # open files that are asked of the system: one is kept for each server
AGAIN = 0.1  # seconds between two cancellations of what is to end
SPARE = 256  # of them for everything else

Glance = Callable[[], RouterSight]
Key = ServerId | RouterId


class Poller:
    """Watches what it was last aimed at, from `start` to `close`. Safe to use from any thread.

    `spread` is the part of a second over which the servers' turns begin; 0 has all begin at once.
    """

    def __init__(
        self, *, now: Callable[[], Instant] = time, deadline: float = DEADLINE, spread: float = SPREAD
    ) -> None:
        self._now, self._deadline, self._spread = now, deadline, spread
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="distctl-polling", daemon=True)
        self._sockets = ThreadPoolExecutor(WIDTH, thread_name_prefix="distctl-glance")
        self._prober = Prober(lambda: self._lines, now)
        self._pulse = Pulse()
        self._changed = threading.Condition()
        self._servers: dict[ServerId, ServerSight] = {}
        self._routers: dict[RouterId, RouterSight] = {}
        self._targets: dict[ServerId, Target] = {}
        self._glances: dict[RouterId, Glance] = {}
        self._brisk = False
        self._newest = -inf  # when it was last aimed at somebody new, on the monotonic clock
        self._roused = threading.Event()
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._hurried: dict[Key, asyncio.Event] = {}

    def start(self) -> Poller:
        """Begin, with nothing to watch yet."""
        self._files = raise_file_limit()
        self._thread.start()
        return self

    def close(self) -> None:
        """End every connection and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._sockets.shutdown(wait=False, cancel_futures=True)

    def aim(
        self, targets: Sequence[Target], routers: Mapping[RouterId, Glance], *, brisk: bool = False
    ) -> None:
        """Watch exactly these from now on; whoever is watched already is not disturbed.

        `brisk`: a model sleeps, so routers are asked more often, and the first request held ends a `rest`.
        """
        with self._changed:
            wanted = {target.id: target for target in targets}
            if wanted.keys() - self._targets.keys() or routers.keys() - self._glances.keys():
                self._newest = monotonic()
            self._servers = {id: sight for id, sight in self._servers.items() if id in wanted}
            self._routers = {id: sight for id, sight in self._routers.items() if id in routers}
            self._targets, self._glances, self._brisk = wanted, dict(routers), brisk
        self._loop.call_soon_threadsafe(self._follow)

    def hurry(self) -> None:
        """Ask everybody again now who is left alone because it was dead: something was just changed."""
        self._loop.call_soon_threadsafe(self._wake)

    def rest(self, seconds: float) -> None:
        """Wait so long, or less once a router holds a request for a model of which it held none before."""
        if self._roused.wait(seconds):
            self._roused.clear()

    @property
    def stretch(self) -> float:
        """How many times longer than a second turns are: more than 1 while this machine is too busy."""
        return self._pulse.stretch

    def servers(self, *, wait: float = 0.0) -> Mapping[ServerId, ServerSight]:
        """The last sight of every server, once each was asked, or `wait` seconds after the newest came.

        Whoever was not asked by then is told as that, and waited for no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._targets) == len(self._servers), self._left(wait))
            return {id: self._servers.get(id) or _unasked(id) for id in self._targets}

    def routers(self, *, wait: float = 0.0) -> Mapping[RouterId, RouterSight]:
        """The last sight of every router, as of the servers."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._glances) == len(self._routers), self._left(wait))
            return {
                id: self._routers.get(id) or RouterSight(id, running=False, error="not asked yet")
                for id in self._glances
            }

    def _left(self, wait: float) -> float:
        return max(self._newest + wait - monotonic(), 0.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._lines = self._loop.run_until_complete(self._open())
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._end())
            self._loop.close()

    async def _open(self) -> Lines:
        self._learning = asyncio.Semaphore(LEARNT)
        self._pulse.start(self._loop)
        return Lines(max(self._files - SPARE, SPARE))

    async def _end(self) -> None:
        self._pulse.close()
        self._prober.close()
        while running := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in running:  # again and again: before Python 3.12 `wait_for` may swallow a cancellation
                task.cancel()
            await asyncio.wait(running, timeout=AGAIN)
        self._lines.close()

    def _follow(self) -> None:
        """Have one task for each of those that are to be watched, and none else. In the loop's thread."""
        with self._changed:
            wanted: set[Key] = {*self._targets, *self._glances}
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
            self._hurried.pop(key)
            if isinstance(key, ServerId):
                self._prober.forget(key)
        for key in wanted - {key for key, task in self._tasks.items() if not task.done()}:
            self._hurried[key] = asyncio.Event()
            self._tasks[key] = self._loop.create_task(self._watching(key))

    def _wake(self) -> None:
        self._prober.hurry()
        for event in self._hurried.values():
            event.set()

    def _watching(self, key: Key) -> Coroutine[Any, Any, None]:
        return self._watch_server(key) if isinstance(key, ServerId) else self._watch_router(key)

    async def _watch_server(self, id: ServerId) -> None:
        """One server's turns."""
        place, turn, failures = phase(id), 0, 0
        known = Known(ServerSight(id))
        await asyncio.sleep(place * self._spread * head_start(len(self._targets)))
        while True:
            begun = self._loop.time()
            target = self._targets.get(id)
            if target is None:  # let go just now
                return
            known = await self._asked(target, known, turn)
            self._told(id, self._prober.visit(target, known.sight))
            turn, failures = turn + 1, failures + 1 if known.dead else 0
            pausing = pause(failures, place) * self._pulse.stretch
            await self._rest(id, begun + pausing, INTERVAL * self._pulse.stretch)

    async def _asked(self, target: Target, known: Known, turn: int) -> Known:
        """One turn. Who was dead is asked for everything once it lives: not all of them in one moment."""
        dead, every = known.dead, period(len(self._targets))
        questions = ALONE if dead else due(turn, phase(target.id), every)
        known = await ask(self._inquiry(target, turn), target, questions, known, self._now)
        if not dead or known.dead:
            return known
        async with self._learning:
            return await learn(self._inquiry(target, turn + 1), target, EVERYTHING, known, self._now)

    def _inquiry(self, target: Target, turn: int) -> Inquiry:
        return Inquiry(
            self._lines,
            monotonic() + self._deadline * self._pulse.stretch,
            target.headers,
            renew=lets_go(turn, phase(target.id)),
            keep=len(self._targets) <= self._files - SPARE,
        )

    async def _watch_router(self, id: RouterId) -> None:
        """One router's turns. Its socket blocks, so that it is asked in a thread."""
        failures = 0
        while True:
            begun = self._loop.time()
            glance = self._glances.get(id)
            if glance is None:
                return
            sight = await self._loop.run_in_executor(self._sockets, _glanced, id, glance)
            roused = self._brisk and _newly_held(self._routers.get(id), sight)
            self._told(id, sight)
            if roused:
                self._roused.set()
            failures = failures + 1 if sight.error or not sight.running else 0
            often = self._brisk and not failures
            every = brisk(self._loop.time() - begun) if often else INTERVAL
            await self._rest(id, begun + (every if often else pause(failures, 0.5)), every)

    def _told(self, id: Key, sight: object) -> None:
        with self._changed:
            server = isinstance(id, ServerId)
            table: dict[Any, Any] = self._servers if server else self._routers
            wanted: Mapping[Any, Any] = self._targets if server else self._glances
            if id in wanted:
                table[id] = sight
                if len(table) == len(wanted):  # only those that are wanted stand in it
                    self._changed.notify_all()

    async def _rest(self, key: Key, until: float, every: float) -> None:
        """Wait for this one's next turn, at most to `until`; turns that were missed are left out."""
        now = self._loop.time()
        late = now - until
        pausing = every - late % every if late > 0 else -late
        hurried = self._hurried[key]
        if pausing <= max(every, INTERVAL):
            await asyncio.sleep(pausing)
            return
        hurried.clear()
        try:
            await asyncio.wait_for(hurried.wait(), pausing)
        except asyncio.TimeoutError:
            return


def _glanced(id: RouterId, glance: Glance) -> RouterSight:
    try:
        return glance()
    except (DistctlError, OSError) as error:
        return RouterSight(id, running=False, error=str(error))


def _newly_held(before: RouterSight | None, now: RouterSight) -> bool:
    """Whether requests wait for a first server of a model for which none waited at the last look."""
    known = before.held if before else {}
    return any(waiting and not known.get(model) for model, waiting in now.held.items())


def _unasked(id: ServerId) -> ServerSight:
    return ServerSight(id, error="not asked yet")


def raise_file_limit() -> int:
    """Have as many open files as the system allows; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
