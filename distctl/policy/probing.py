"""Made-up requests, by which a server is found out that is ready and wrong, or ready and stuck. Pure.

They go to the server itself, one at a time, and only while clients get no answers there. What one replica
fails at and another one answers is the server's fault; what none answers is the model's, or that of the
request, and nothing is done about it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from distctl.cluster.model_spec import RequestTimeouts
from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Instant, ProbeSight, Service, Snapshot
from distctl.cluster.spec import ServerId, Spec

EVERY = 60.0  # seconds without an answer to anybody after which a replica is probed
SOON = 10.0  # seconds over which the first ones of all servers are spread
AGAIN = 2.0  # seconds from one that failed to the next
ENOUGH = 3  # failures in a row
LONGEST = 30.0  # seconds for an answer; less where the model's own time is less
SPARED = 600.0  # seconds until one that cannot be probed is asked again what it wants
MODELS_FAULT = " in every replica: it is the model or what it was sent, and no server"
NOBODY_ELSE = ", and there is no other replica that would tell whether it is the server"
UNPROBED = ProbeSight()
NOTHING = Service()


@dataclass(frozen=True, slots=True)
class Probe:
    """What is remembered of one replica: when its next probe is due, and what its server had counted."""

    due: Instant
    counted: Service = NOTHING
    sight: ProbeSight = UNPROBED


def begun(now: Instant, place: float, counted: Service = NOTHING) -> Probe:
    """One that was just found ready; `place` from 0 to 1 spreads those that begin together."""
    return Probe(now + place * SOON, counted)


def heard(probe: Probe, counted: Service, now: Instant) -> Probe:
    """What its server has counted by now.

    A success is as good as an answer, and makes a probe needless. Failures alone make one due soon.
    """
    before = probe.counted
    if counted == before:
        return probe
    if counted.count > before.count:
        return Probe(now + EVERY, counted, ProbeSight(answered=probe.sight.answered))
    fails = counted.failed > before.failed and not probe.sight.failures
    due = min(probe.due, max(now, probe.sight.answered + SOON)) if fails else probe.due
    return replace(probe, due=due, counted=counted)


def again(probe: Probe, now: Instant) -> Probe:
    """Something was just changed: one that failed begins anew at once."""
    return Probe(now, probe.counted) if probe.sight.failures else probe


def told(probe: Probe, error: str, now: Instant) -> Probe:
    """After an answer (no `error`) or a failure; one that failed often enough is not pressed further."""
    if not error:
        return replace(probe, due=now + EVERY, sight=ProbeSight(answered=now))
    before = probe.sight
    failures = before.failures + 1
    sight = ProbeSight(failures, before.since if before.failures else now, before.answered, error)
    return replace(probe, due=now + (AGAIN if failures < ENOUGH else EVERY), sight=sight)


def spared(probe: Probe, now: Instant) -> Probe:
    """Nothing can be made up for it."""
    return replace(probe, due=now + SPARED, sight=UNPROBED)


def compared(probe: Probe, since: Instant, now: Instant) -> Probe:
    """Another replica fails `since` then: this one is asked the same at once, whatever clients get."""
    needless = probe.sight.failures > 0 or probe.sight.answered >= since or probe.due > now + EVERY
    return probe if needless else replace(probe, due=min(probe.due, now))


def deadline(timeouts: RequestTimeouts) -> float:
    """Seconds that a probe may take."""
    return min(timeouts.answer, LONGEST)


def wanted(spec: Spec, record: Record) -> Mapping[ServerId, Mapping[str, float]]:
    """By server: the models that are probed there, each with its deadline in seconds."""
    limits = {model.name: deadline(model.timeouts) for model in spec.models if model.probe == "auto"}
    found: dict[ServerId, dict[str, float]] = {}
    for (server, model), replica in record.places.items():
        if model in limits and replica.slot is not SlotState.OFF:
            found.setdefault(server, {})[model] = limits[model]
    return found


def failing(server: ServerId, record: Record, snapshot: Snapshot) -> Mapping[str, str]:
    """The models at which a server fails while another one answers the same, each with how."""
    return {
        model: sight.error
        for model, sight in _probes(server, snapshot).items()
        if sight.failures >= ENOUGH and _answered_elsewhere(server, model, sight.since, record, snapshot)
    }


def _answered_elsewhere(
    server: ServerId, model: str, since: Instant, record: Record, snapshot: Snapshot
) -> bool:
    """Whether another replica of the same content answered a probe since this one fails."""
    mine = record.replica(server, model)
    return mine is not None and any(
        (sight := _probes(other.server, snapshot).get(model)) is not None
        and sight.answered >= since
        and not sight.failures
        for other in record.replicas
        if other.model == model and other.server != server and other.digest == mine.digest
    )


def hopeless(record: Record, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The models of which every replica that is in use fails, each with a sentence."""
    used: dict[str, list[ProbeSight]] = {}
    suspects = {m for sight in snapshot.servers.values() for m, p in sight.probes.items() if p.failures}
    for (server, model), replica in record.places.items() if suspects else ():
        if model in suspects and replica.slot is not SlotState.OFF:
            used.setdefault(model, []).append(_probes(server, snapshot).get(model, UNPROBED))
    for model, sights in sorted(used.items()):
        if all(sight.failures >= ENOUGH for sight in sights):
            what = MODELS_FAULT if len(sights) > 1 else NOBODY_ELSE
            yield model, f"a made-up request fails ({sights[0].error}){what}, so nothing is done"


def _probes(server: ServerId, snapshot: Snapshot) -> Mapping[str, ProbeSight]:
    sight = snapshot.servers.get(server)
    return sight.probes if sight is not None and sight.live else {}
