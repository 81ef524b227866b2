"""What one look says of a server: from what it answered, what routers and its own node say, one word.

A symptom is no verdict yet (see `health`), and nobody acts on one. Whoever is reached by a router's checks
is not unwell because this machine does not reach it, and whoever nobody reaches may be well all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ModelState, ServerSight, Silence, Snapshot, UnitSight
from distctl.cluster.spec import RouterId, ServerId
from distctl.policy.probing import failing

CRASHES = 3  # starts in a row of which none lasted half a minute: a crash loop


class Kind(str, Enum):
    """How a server is, in the words that operators read. What it is about may follow: `loading digits`."""

    UNKNOWN = "not known yet"
    READY = "ready"
    STARTING = "starting"
    LOADING = "loading"
    WITHOUT = "without"  # a model that it is meant to have
    FAILING = "failing"  # at a model that it says is ready, and that others answer for
    STILL_FAILING = "still failing"  # after the model was loaded anew
    HUNG = "hung"
    DEAD = "dead"
    CRASH_LOOP = "crash loop"
    UNREACHABLE = "unreachable"
    GONE = "gone"  # for so long that its replicas were placed elsewhere


@dataclass(frozen=True, slots=True)
class Symptom:
    """One look at a server: its kind, the models that it is about, and why in a sentence."""

    kind: Kind
    why: str = ""
    models: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The kind with what it is about, as it is shown."""
        return f"{self.kind.value} {', '.join(self.models)}" if self.models else self.kind.value


@dataclass
class Evidence:
    """What was recorded and seen, ready to be asked for each server.

    The sights of nodes count as fresh: one that nobody looked at lately is left out of the snapshot.
    """

    record: Record
    snapshot: Snapshot

    @cached_property
    def placed(self) -> Mapping[ServerId, list[str]]:
        """By server: the models that are meant to be there, sorted."""
        found = defaultdict[ServerId, list[str]](list)
        for server, model in self.record.places:
            found[server].append(model)
        for models in found.values():
            models.sort()
        return found

    @cached_property
    def reached(self) -> Mapping[ServerId, RouterId]:
        """By server: a router whose checks of it pass. A slot that is closed is not checked."""
        return {
            server: router
            for router, sight in sorted(self.snapshot.routers.items(), reverse=True)
            for _, server, slot in (sight.slots if sight.running and not sight.error else ())
            if slot.healthy and slot.state is not SlotState.OFF
        }

    def used(self, server: ServerId) -> bool:
        """Whether requests are meant to reach it; one without any model is meant to run all the same."""
        slots = [self.record.places[server, model].slot for model in self.placed.get(server, ())]
        return not slots or any(slot is not SlotState.OFF for slot in slots)

    def symptom(self, server: ServerId) -> Symptom:
        """What is to be said of one server."""
        seen = self.snapshot.servers.get(server) or ServerSight(server, error="it was not asked")
        if seen.live:
            found = _answers(self.placed.get(server, []), seen)
            fails = failing(server, self.record, self.snapshot) if found.kind is Kind.READY else {}
            return _fails(fails) if fails else found
        if router := self.reached.get(server):
            return Symptom(Kind.READY, f"router {router} reaches it; here: {seen.error or 'no answer'}")
        return _silent(seen, unit_of(server, self.snapshot), used=self.used(server))


def unit_of(server: ServerId, snapshot: Snapshot) -> UnitSight | None:
    """What its node says of the server's process; None where the node was not reached lately.

    A node that was reached and does not know the unit says that nothing of it runs.
    """
    node = snapshot.nodes.get(server.node)
    if node is None or not node.reachable:
        return None
    name = f"server-{server.server}"
    return node.units.get(name, UnitSight(name))


def _answers(placed: Iterable[str], seen: ServerSight) -> Symptom:
    states = {model: seen.replicas.get(model) for model in placed}
    loading = tuple(m for m, s in states.items() if s is not None and s.state is ModelState.LOADING)
    absent = tuple(
        m for m, s in states.items() if m not in loading and (s is None or s.state is not ModelState.READY)
    )
    if absent:
        return Symptom(Kind.WITHOUT, _reasons(absent, seen), absent)
    return Symptom(Kind.LOADING, "", loading) if loading else Symptom(Kind.READY)


def _fails(models: Mapping[str, str]) -> Symptom:
    said = "; ".join(f"{model}: {error}" for model, error in models.items())
    return Symptom(Kind.FAILING, f"{said}; others answer the same made-up request", tuple(sorted(models)))


def _reasons(models: tuple[str, ...], seen: ServerSight) -> str:
    said = {m: seen.replicas[m].reason for m in models if m in seen.replicas and seen.replicas[m].reason}
    return "; ".join(f"{model}: {reason}" for model, reason in said.items()) or "the server does not have it"


def _silent(seen: ServerSight, unit: UnitSight | None, *, used: bool) -> Symptom:
    """Nobody gets an answer. The node's own word goes before what is seen from here.

    One that nothing is sent to is being started, or was stopped by somebody who will start it again.
    """
    why = seen.error or "it does not answer"
    if unit is not None and (crashes := _crashes(unit)):
        return crashes
    if unit is not None and unit.process is None:
        return Symptom(Kind.DEAD, f"no process of it runs; {why}")
    if seen.silence is Silence.REFUSED:
        return Symptom(Kind.DEAD if unit is None and used else Kind.STARTING, why)
    return Symptom(Kind.HUNG if seen.silence is Silence.MUTE else Kind.UNREACHABLE, why)


def _crashes(unit: UnitSight) -> Symptom | None:
    if unit.restarts < CRASHES:
        return None
    return Symptom(Kind.CRASH_LOOP, f"started {unit.restarts} times in a row, none for half a minute")
