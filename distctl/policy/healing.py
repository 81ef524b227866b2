"""What is done about servers and routers that are not well, and why.

Each look gives every one of them a symptom, looks that agree a verdict. A verdict that is bad is a need: a
reason for a pass, which looks at the nodes themselves and does what is missing there (`diff`). What a node's
own supervisor heals is left to it, and lost contact alone stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import AddEvent, Change, Event, Health, Record, SetHealth
from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import RouterId, ServerId, Spec
from distctl.policy.health import Verdict, gone, judge, remembered
from distctl.policy.mass import held, too_many
from distctl.policy.probing import hopeless
from distctl.policy.symptoms import Evidence, Kind, Symptom

GOES_ON = "healing goes on: nothing turned bad within the last minute"
SOON = 15.0  # seconds that a server may be starting before its own node is asked how it goes
REST = 60.0  # seconds that one which failed for the third time is left, doubled each time
RELAPSE = 3
CEILING = 300.0  # seconds
AWAY = (Kind.UNREACHABLE, Kind.GONE)
Subject = TypeVar("Subject", ServerId, RouterId)


@dataclass(frozen=True, slots=True)
class Ward:
    """What is held of every server and router; `held` says why nothing is done now, "" when all may be.

    `models` are those that fail wherever they are, each with a sentence.
    """

    servers: Mapping[ServerId, Verdict] = field(default_factory=dict)
    routers: Mapping[RouterId, Verdict] = field(default_factory=dict)
    held: str = ""
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at all of them comes to.

    `needs` maps the name of a server or router to the reason for a pass; `news` is to be written down: each
    transition once, as an event and as the server's health.
    """

    ward: Ward
    needs: Mapping[str, str] = field(default_factory=dict)
    news: tuple[Change, ...] = ()


def visit(ward: Ward, spec: Spec, record: Record, snapshot: Snapshot) -> Round:
    """Judge everything by one more look. Pure; called for each of them."""
    rules, now = spec.healing, snapshot.at
    patients = watched(spec, record)
    evidence = Evidence(record, snapshot)
    seen = {server: evidence.symptom(server) for server in patients}
    before = {server: ward.servers.get(server) or _before(record, server) for server in patients}
    routers = {router: router_symptom(snapshot.routers.get(router)) for router in record.routers}
    known = {router: ward.routers.get(router, Verdict()) for router in routers}
    servers = _placed_elsewhere(_judged(before, seen, rules, now), rules, now)
    holding, models = held(servers.items(), rules.share, now), dict(hopeless(record, snapshot))
    after = Ward(servers, _judged(known, routers, rules, now), holding, models)
    needs = {} if after.held else dict(_needs(after, spec, record, now))
    return Round(after, needs, tuple(_news(before, ward, after, now)))


def watched(spec: Spec, record: Record) -> tuple[ServerId, ...]:
    """The servers that are meant to run: of nodes that were set up, and that nobody wants to stand still."""
    still = record.asleep | {i.node for i in record.intents.values() if i.draining and i.stopped}
    return tuple(
        server.id
        for node in spec.nodes
        if node.name not in still and (node.external or node.name in record.known)
        for server in node.servers
    )


def router_symptom(sight: RouterSight | None) -> Symptom:
    """What one look says of a router."""
    if sight is None or sight.error:
        return Symptom(Kind.UNREACHABLE, sight.error if sight else "it was not asked")
    return Symptom(Kind.READY) if sight.running else Symptom(Kind.DEAD, "it does not run")


def _before(record: Record, server: ServerId) -> Verdict:
    health = record.health.get(server)
    return remembered(health) if health else Verdict()


def _judged(
    before: Mapping[Subject, Verdict], seen: Mapping[Subject, Symptom], rules: HealingSpec, now: Instant
) -> dict[Subject, Verdict]:
    return {subject: judge(before[subject], found, rules, now) for subject, found in seen.items()}


def _placed_elsewhere(
    servers: Mapping[ServerId, Verdict], rules: HealingSpec, now: Instant
) -> dict[ServerId, Verdict]:
    """The verdicts with those gone who were away for too long.

    Not while so many are away that the rest would have to carry too much, or that it is us who are cut off.
    """
    after = rules.reschedule_after
    away = sum(verdict.kind in AWAY for verdict in servers.values())
    if after is None or too_many(away, len(servers), rules.share):
        return dict(servers)
    found = {}
    for server, verdict in servers.items():
        late = verdict.kind is Kind.UNREACHABLE and now - verdict.since >= after
        why = f"{verdict.symptom.state} for {now - verdict.since:.0f} s: {verdict.symptom.why}"
        found[server] = gone(verdict, why, now) if late else verdict
    return found


def _needs(ward: Ward, spec: Spec, record: Record, now: Instant) -> Iterator[tuple[str, str]]:
    closed = record.closed
    for node in spec.nodes:
        patience = node.timeouts.load
        for server in () if node.external else node.servers:
            verdict = ward.servers.get(server.id)
            if verdict is not None and (why := _need(verdict, closed.get(server.id, ()), now, patience)):
                yield str(server.id), f"{server.id} is {why}"
    for router, verdict in sorted(ward.routers.items()):
        if verdict.kind is Kind.DEAD:
            yield f"router {router}", f"router {router} does not run"


def _need(verdict: Verdict, closed: Iterable[str], now: Instant, patience: float) -> str:
    """Why a pass should look after a server, "" when none should."""
    lasted = now - verdict.since
    if verdict.kind is Kind.READY:
        return f"ready, and no router sends {', '.join(closed)} there" if closed else ""
    if verdict.kind in (Kind.STARTING, Kind.LOADING):
        limit = patience if verdict.kind is Kind.LOADING else SOON
        return f"{verdict.symptom.state} for {lasted:.0f} s" if lasted > limit else ""
    if verdict.kind is Kind.STILL_FAILING and lasted < _rest(len(verdict.failures)):
        return ""
    why = f": {verdict.symptom.why}" if verdict.symptom.why else ""
    return f"{verdict.symptom.state}{why}" if verdict.bad else ""


def _rest(failures: int) -> float:
    """Seconds until a server that keeps failing is started again: at once, then after ever longer."""
    return float(min(CEILING, REST * 2.0 ** (failures - RELAPSE))) if failures >= RELAPSE else 0.0


def _news(before: Mapping[ServerId, Verdict], ward: Ward, after: Ward, now: Instant) -> Iterator[Change]:
    for server, verdict in after.servers.items():
        if verdict is not before[server] and verdict.symptom.state != before[server].symptom.state:
            yield SetHealth(Health(server, verdict.symptom.state, verdict.symptom.why, verdict.since))
            yield _event(str(server), before[server], verdict, now)
    for router, verdict in after.routers.items():
        was = ward.routers.get(router, Verdict())
        if verdict.symptom.state != was.symptom.state and was.kind is not Kind.UNKNOWN:
            yield _event(str(router), was, verdict, now)
    for model in sorted({*after.models} ^ {*ward.models}):
        text = after.models.get(model, "a made-up request is answered again, or is not sent any more")
        yield AddEvent(Event(now, "health", model, text))
    if bool(after.held) != bool(ward.held):
        text = after.held or GOES_ON
        yield AddEvent(Event(now, "health", "cluster", text))


def _event(subject: str, was: Verdict, verdict: Verdict, now: Instant) -> AddEvent:
    why = f": {verdict.symptom.why}" if verdict.symptom.why else ""
    before = "" if was.kind is Kind.UNKNOWN else f", after {was.symptom.state} for {now - was.since:.0f} s"
    return AddEvent(Event(now, "health", subject, f"{verdict.symptom.state}{why}{before}"))
