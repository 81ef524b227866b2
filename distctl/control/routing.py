"""Slots: recorded first, then brought to every router.

A router is always brought to what the record says now, so that changes made side by side coalesce and a
change that was cut in the middle is made good by the next one.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from distctl.cluster.record import Record, Replica, SetReplica
from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.spec import RouterId, ServerId
from distctl.control.world import World
from distctl.errors import DistctlError, DrainExpired, PartialFailure, RouterError, Unreachable
from distctl.policy.announced import expecting
from distctl.policy.drain import Decision, Drain, Step, next_step, watched

POLL = 0.25  # seconds between two looks at a drain
NOBODY: Mapping[RouterId, str] = {}
AGAIN = 30.0  # seconds until a place that could not be reached is tried again: each try takes long
APPLY = 60.0  # seconds that a router may take to become what it is told


class Routing:
    """The routers of one execution. Every write shows the lease's token.

    `idle` says of a model how many seconds a sequence of it may pause; 0 where it has none. `silent` are
    routers that did not answer when the plan was made, and what was seen instead.
    """

    def __init__(
        self,
        world: World,
        token: int,
        routers: Iterable[RouterId],
        *,
        idle: Callable[[str], float] = lambda _: 0.0,
        silent: Mapping[RouterId, str] = NOBODY,
    ) -> None:
        self._world, self._token, self._idle = world, token, idle
        self.routers = tuple(routers)
        self._locks = defaultdict[RouterId, threading.Lock](threading.Lock)
        self._record_lock = threading.Lock()
        self._silent = dict(silent)
        self._unreached: dict[RouterId, tuple[float, Unreachable]] = {}
        self._asked: Counter[RouterId] = Counter()  # how often each router was to be brought to the record
        self._served: Counter[RouterId] = (
            Counter()
        )  # how many of those were in the record that it was brought to
        self._announced: set[tuple[str, ServerId]] = set()  # slots that are about to join

    def announce(self, server: ServerId, model: str) -> None:
        """Have routers check a slot that is about to join: it drains until then, whatever the record says.

        It is a hint that spares `join` the wait for a check; a router that does not take it fails there.
        """
        with self._record_lock:
            self._announced.add((model, server))
        self._apply(r for r in self.routers if r not in self._silent)

    def withdraw(self) -> None:
        """Bring routers to the record alone again, where something was announced and did not join.

        One that cannot be is found as it is by the next look.
        """
        if self._announced:
            self._announced.clear()
            self._apply(r for r in self.routers if r not in self._silent)

    def join(self, server: ServerId, models: Collection[str]) -> PartialFailure | None:
        """Record slots as ready and let every router send requests there.

        Routers that cannot be reached are left behind as long as one is told: the next plan brings them to
        the record before anything leaves a server. What comes back names them. Raises RouterError, NodeError.
        """
        self.record(server, models, SlotState.READY)
        for router, error in self._apply(r for r in self.routers if r not in self._silent).items():
            if not isinstance(error, Unreachable) or len(self.routers) == 1:
                raise error
            self._silent[router] = error.message
        silent = dict(self._silent)
        untold = "; ".join(f"router {router} ({why})" for router, why in sorted(silent.items()))
        if silent and len(silent) == len(self.routers):
            raise RouterError(f"no router was told what joined: {untold}", hint="distctl doctor")
        if not silent:
            return None
        return PartialFailure(f"not told what joined: {untold}", hint="once it answers again: distctl up")

    def leave(
        self,
        server: ServerId,
        models: tuple[str, ...],
        *,
        rest: bool,
        seconds: float,
        force: bool,
        report: Callable[[str], None],
    ) -> Decision:
        """Drain slots in every router and, unless they are to `rest`, close them.

        Raises DrainExpired at the deadline without `force`: the slots stay draining, nothing was cut.
        """
        self.record(server, models, SlotState.DRAIN)
        self.apply()
        decision = self._wait(frozenset((model, server) for model in models), seconds, report)
        if decision.step is Step.EXPIRE and not force:
            raise DrainExpired(
                f"{server}: {decision.reason} after {seconds:g} s; it stays draining and nothing was cut",
                hint=f"wait with `distctl drain {server.node} --timeout 10m`, or cut with `--force`",
            )
        if not rest:
            self.record(server, models, SlotState.OFF)
            self.apply()
        return decision

    def record(self, server: ServerId, models: Collection[str], state: SlotState) -> None:
        """Write what slots are meant to be, before anything is done about it."""
        with self._record_lock:
            self._announced -= {(model, server) for model in models}
            record = self._world.store.load()
            replicas = (record.replica(server, model) or Replica(server, model) for model in models)
            self._world.store.commit(self._token, [SetReplica(replace(r, slot=state)) for r in replicas])

    def apply(self) -> None:
        """Bring every router to the record. All are tried; the first error is raised at the end."""
        for error in self._apply(self.routers).values():
            raise error

    def _apply(self, routers: Iterable[RouterId]) -> dict[RouterId, DistctlError]:
        """Bring some routers to the record; the errors of those that could not be."""
        errors = {}
        for router in routers:
            try:
                self._try(router)
            except DistctlError as error:
                errors[router] = error
        return errors

    def _try(self, router: RouterId) -> None:
        """Bring a router to the record, or fail at once where it was found unreachable just now."""
        at, known = self._unreached.get(router, (-AGAIN, None))
        if known is not None and self._world.clock.now() - at < AGAIN:
            raise known
        try:
            self.bring(router)
        except Unreachable as error:
            self._unreached[router] = (self._world.clock.now(), error)
            raise

    def end(self, router: RouterId) -> str:
        """Have a router's health path say that it goes, whatever the record says of it."""
        with self._locks[router]:
            view = replace(self._world.view(self._world.store.load(), router), draining=True)
            return self._world.router(router).apply(view, deadline=APPLY)

    def bring(self, router: RouterId) -> str:
        """Bring one router to what the record says now; what comes back says what that took.

        Those who ask while another's turn goes on share the next one.
        """
        with self._record_lock:
            self._asked[router] += 1
            mine = self._asked[router]
        with self._locks[router]:
            if self._served[router] >= mine:
                return "done together with other changes"
            all_so_far = self._asked[router]
            record: Record = self._world.store.load()
            view = expecting(self._world.view(record, router), self._announced)
            took = self._world.router(router).apply(view, deadline=APPLY)
            self._served[router] = all_so_far
            return took

    def looks(self) -> tuple[RouterSight, ...]:
        """What every router says now."""
        return tuple(self._world.router(router).look() for router in self.routers)

    def _wait(
        self, slots: frozenset[tuple[str, ServerId]], seconds: float, report: Callable[[str], None]
    ) -> Decision:
        idle = max((self._idle(model) for model, _ in slots), default=0.0)
        drain = Drain(slots, self._world.clock.now() + seconds, idle=idle)
        while True:
            sights, now = self.looks(), self._world.clock.now()
            drain = watched(drain, sights, now)
            decision = next_step(drain, sights, now)
            report(decision.reason)
            if decision.step in (Step.RELEASE, Step.EXPIRE):
                return decision
            self._world.clock.sleep(POLL)
