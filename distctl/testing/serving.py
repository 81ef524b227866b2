"""A Triton and a HAProxy that keep their promises in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from distctl.cluster.requests import Page, Wanted
from distctl.cluster.router import Pool, RouterSight, RouterView, SlotSight, SlotState
from distctl.cluster.snapshot import ModelState, ReplicaSight, Service, Silence
from distctl.cluster.spec import LogSpec, RouterId, ServerId
from distctl.errors import RouterError, TritonError
from distctl.testing.calls import Calls

Place = tuple[str, ServerId]  # a model and a server


def digest(*parts: object) -> str:
    """A short name of anything that prints the same when it is the same."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


class FakeTriton:
    """One server in explicit model control mode.

    `repository` says which content each model's link names, `loaded` which content runs. A model in `slow`
    is ready after that many looks at the index; one in `broken` never, for that reason. While it is `hung` it
    takes connections and says nothing. `service` is what it did for each model, set by a test. `leaving` is
    called with a model before it is unloaded.
    """

    def __init__(
        self, name: str, *, calls: Calls | None = None, leaving: Callable[[str], None] | None = None
    ) -> None:
        self.up = self.hung = False
        self.repository: dict[str, str] = {}
        self.loaded: dict[str, str] = {}
        self.slow: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.service: dict[str, Service] = {}
        self._name, self._calls, self._leaving = name, calls or Calls(), leaving
        self._loading: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def boot(self) -> None:
        """The process starts, and loads what its start script names: the whole repository."""
        self.shut()
        self.up = True
        for model in self.repository:
            self._begin(model)

    def shut(self) -> None:
        """The process is gone."""
        self.up = self.hung = False
        for state in (self.loaded, self._loading, self._reasons):
            state.clear()

    @property
    def silence(self) -> Silence:
        """How it does not answer."""
        if not self.up:
            return Silence.REFUSED
        return Silence.MUTE if self.hung else Silence.NONE

    def live(self) -> bool:
        """Whether the process runs. Never raises: a fake that is down says so."""
        with self._calls.look(f"{self._name}: live"):
            return self.up

    def index(self) -> dict[str, ReplicaSight]:
        """Every model that the repository has; looking brings slow loads on. Raises TritonError.

        As the real client tells it, a load that goes on or failed comes before an older content that serves.
        """
        with self._calls.look(f"{self._name}: index"):
            self._answer()
            self._progress()
            return {model: self._sight(model) for model in sorted({*self.repository, *self._reasons})}

    def sights(self) -> dict[str, ReplicaSight]:
        """The index as somebody sees it who asked for no load: an older content that serves is ready."""
        return {
            model: ReplicaSight(ModelState.READY) if model in self.loaded else sight
            for model, sight in self.index().items()
        }

    def load(self, model: str) -> None:
        """Begin to load a model. Raises TritonError when it is not in the repository."""
        with self._calls.change(f"{self._name}: load {model}"):
            self._answer()
            if model not in self.repository:
                raise TritonError(f"{self._name}: failed to load {model}: no such model in its repository")
            self._begin(model)

    def unload(self, model: str) -> None:
        """Unload a model; one that is not loaded stays so."""
        with self._calls.change(f"{self._name}: unload {model}"):
            self._answer()
            if model in self.loaded and self._leaving:
                self._leaving(model)
            self.loaded.pop(model, None)
            self._loading.pop(model, None)
            self._reasons[model] = "unloaded"

    def _answer(self) -> None:
        if not self.up:
            raise TritonError(f"{self._name}: connection refused")
        if self.hung:
            raise TritonError(f"{self._name}: timed out")

    def _begin(self, model: str) -> None:
        self._reasons.pop(model, None)
        self._loading[model] = self.slow.get(model, 0)
        self._settle(model)

    def _progress(self) -> None:
        for model in list(self._loading):
            self._loading[model] -= 1
            self._settle(model)

    def _settle(self, model: str) -> None:
        if self._loading[model] > 0:
            return
        del self._loading[model]
        if model in self.broken:
            self._reasons[model] = self.broken[model]
        else:
            self.loaded[model] = self.repository.get(model, "")

    def _sight(self, model: str) -> ReplicaSight:
        if model in self._loading:
            return ReplicaSight(ModelState.LOADING)
        if model in self.loaded and model not in self._reasons:
            return ReplicaSight(ModelState.READY)
        return ReplicaSight(ModelState.UNAVAILABLE, self._reasons.get(model, ""))


class FakeRouter:
    """One HAProxy. `in_flight` holds requests by (model, server), set by a test; `queued` likewise.

    `ending` requests of each draining slot end at each look. `healthy` says whether a slot's check passes.
    `structure` names what only a reload can change, by default the pools and their servers. What would be
    lost is told to `lose`: a slot that is closed, or a router that is stopped, with requests in flight.
    """

    def __init__(
        self,
        id: RouterId,
        *,
        calls: Calls | None = None,
        healthy: Callable[[str, ServerId], bool] = lambda _model, _server: True,
        structure: Callable[[RouterView], str] | None = None,
        lose: Callable[[str], None] | None = None,
    ) -> None:
        self.id = id
        self.view: RouterView | None = None
        self.in_flight: dict[Place, int] = {}
        self.queued: dict[Place, int] = {}
        self.ending = 1
        self.log: list[str] = []
        self.reloads = 0
        self.reachable = True
        self.stopping = False
        self._calls, self._healthy, self._structure = calls or Calls(), healthy, structure or pools_of
        self._lose = lose or (lambda _what: None)

    def apply(self, view: RouterView, *, deadline: float) -> str:
        """Be as the view says. Raises RouterError when `reachable` is False."""
        with self._calls.change(f"{self.id}: apply"):
            self._answer()
            if view.draining and (self.view is None or self.stopping):
                return "it is to end"
            self.stopping = False
            before, self.view = self.view, view
            self._tell_cut()
            if before is None:
                return "launched"
            if self._structure(before) != self._structure(view):
                self.reloads += 1
                return "reloaded"
            changed = len(states(view).items() - states(before).items())
            return f"{changed} slots set" if changed else "nothing to do"

    def requests(self, log: LogSpec, wanted: Wanted, position: str, newest: int) -> Page:
        """The lines of `log`, whichever are asked for. Raises RouterError when `reachable` is False."""
        with self._calls.look(f"{self.id}: requests"):
            self._answer()
            lines = self.log[int(position or 0) :]
            return Page(tuple(lines[-newest:]), str(len(self.log)))

    def glance(self) -> RouterSight:
        """As `look`; nothing of a fake lies on a disk."""
        return self.look()

    def look(self) -> RouterSight:
        """What it is now; brings requests in draining slots to their end."""
        with self._calls.look(f"{self.id}: look"):
            if not self.reachable:
                return RouterSight(self.id, running=False, error="no answer")
            if self.view is None:
                return RouterSight(self.id, running=False)
            self._end_some(self.view)
            if self.stopping and not any(self.in_flight.values()):
                self.view, self.stopping = None, False
                return RouterSight(self.id, running=False)
            return RouterSight(
                self.id,
                running=True,
                pid=1000 + self.reloads,
                structure=self._structure(self.view),
                config=digest(self.view),
                slots=tuple(
                    (m, s, self._sight((m, s), state)) for (m, s), state in states(self.view).items()
                ),
                stopping=self.stopping,
            )

    def close(self) -> None:
        """Take no new connection: it ends once nothing is in flight. Raises RouterError."""
        with self._calls.change(f"{self.id}: close"):
            self._answer()
            self.stopping = self.view is not None

    def halt(self) -> None:
        """End it now. Raises RouterError when `reachable` is False."""
        with self._calls.change(f"{self.id}: halt"):
            self._answer()
            self.view, self.stopping = None, False
            self._tell_cut()

    def stop(self, *, deadline: float) -> None:
        """Stop it. Raises RouterError when `reachable` is False."""
        with self._calls.change(f"{self.id}: stop"):
            self._answer()
            self.view = None
            self._tell_cut()

    def sends_to(self, model: str) -> frozenset[ServerId]:
        """The servers that get requests for a model now."""
        slots = states(self.view) if self.view else {}
        return frozenset(
            s
            for (m, s), state in slots.items()
            if (m, state) == (model, SlotState.READY) and self._healthy(m, s)
        )

    def _answer(self) -> None:
        if not self.reachable:
            raise RouterError(f"{self.id}: no answer")

    def _tell_cut(self) -> None:
        slots = states(self.view) if self.view else {}
        for place, count in self.in_flight.items():
            if count and slots.get(place, SlotState.OFF) is SlotState.OFF:
                self._lose(
                    f"{self.id}: {count} requests of {place[0]} on {place[1]} when its slot was closed"
                )

    def _end_some(self, view: RouterView) -> None:
        for place, state in states(view).items():
            if (state is SlotState.DRAIN or self.stopping) and self.in_flight.get(place):
                self.in_flight[place] = max(0, self.in_flight[place] - self.ending)

    def _sight(self, place: Place, state: SlotState) -> SlotSight:
        return SlotSight(
            state, self._healthy(*place), self.in_flight.get(place, 0), self.queued.get(place, 0), "L7OK/200"
        )


def pools_of(view: RouterView) -> str:
    """The digest of pools and servers, states aside."""
    return digest(*(f"{pool.model}/{_servers(pool)}" for pool in view.pools))


def states(view: RouterView) -> Mapping[Place, SlotState]:
    """The state of each slot."""
    return {(pool.model, slot.server): slot.state for pool in view.pools for slot in pool.slots}


def _servers(pool: Pool) -> str:
    return ",".join(str(slot.server) for slot in pool.slots)
