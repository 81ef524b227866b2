"""What an explanation needs, gathered: one look, the machine in question looked at itself, and the past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from distctl.app.looking import look
from distctl.app.running import leader_of
from distctl.app.session import Session
from distctl.cluster.hours import DAY
from distctl.cluster.record import Event, Hour, Record
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import RouterId, Spec
from distctl.config.problems import did_you_mean
from distctl.control.observe import observe
from distctl.errors import DistctlError, InputError
from distctl.policy.explain.explain import explain
from distctl.policy.explain.naming import KINDS, Target, known, meant, subjects
from distctl.policy.explain.told import Explanation, Told

EVENTS = 8  # of a subject
CLUSTER = "cluster"


def explained(session: Session, word: str) -> list[Explanation]:
    """Everything that a word means, explained. Raises InputError when it means nothing."""
    record = session.store.load()
    session.remember(record)
    spec = _whole(session, record)
    targets = _targets(session, word, spec, record)
    snapshot = _looked(session, record, targets)
    told = Told(
        spec,
        record,
        snapshot,
        led=leader_of(session) is not None,
        cluster=_events(session, (CLUSTER,)),
        loads=tuple(session.store.loads(since=snapshot.at - 3600)),
        hours=_hours(session, targets, snapshot.at - DAY),
        configs=_configs(session, record, targets),
        left=frozenset(_left(session, spec)),
    )
    return [explain(t, replace(told, events=_events(session, subjects(t, spec)))) for t in targets]


def _whole(session: Session, record: Record) -> Spec:
    """The spec with the nodes, servers and routers that left the file and are still there."""
    return replace(session.routed, nodes=session.whole(record))


def _left(session: Session, whole: Spec) -> list[str]:
    ours = {node.name for node in session.spec.nodes}
    routers = set(whole.router_ids) - set(session.spec.router_ids)
    return [*(node.name for node in whole.nodes if node.name not in ours), *map(str, routers)]


def _targets(session: Session, word: str, spec: Spec, record: Record) -> list[Target]:
    names = known(spec, record)
    if found := meant(word, names):
        return found
    kind, _, name = word.partition("/")
    hint = did_you_mean(name if kind in KINDS else word, names)
    raise InputError(f"there is no node, server, model or router {word!r}", hint=hint)


def _looked(session: Session, record: Record, targets: Iterable[Target]) -> Snapshot:
    """A quick look at everything; nodes that are asked about are looked at themselves."""
    seen = look(session, record, deep=False)
    asked = {t.name if t.kind == "node" else t.server.node for t in targets if t.kind in ("node", "server")}
    nodes = [node for node in session.whole(record) if node.name in asked and not node.external]
    if not nodes:
        return seen
    close = observe(session.world, nodes, ())
    return replace(seen, nodes=close.nodes, servers={**seen.servers, **close.servers})


def _configs(session: Session, record: Record, targets: Iterable[Target]) -> dict[RouterId, str]:
    """The digests of what routers' files should be; none of those that cannot be worked out here."""
    found = {}
    for router in (target.router for target in targets if target.kind == "router"):
        try:
            found[router] = session.routers.config_digest(record, router)
        except (DistctlError, KeyError):
            continue
    return found


def _hours(session: Session, targets: Iterable[Target], since: Instant) -> tuple[Hour, ...]:
    """The load of the models that are asked about."""
    models = (target.name for target in targets if target.kind == "model")
    return tuple(hour for model in models for hour in session.store.hours(since=since, model=model))


def _events(session: Session, names: Iterable[str]) -> tuple[Event, ...]:
    """What happened last to some subjects, oldest first."""
    found = {e for name in names for e in session.store.events(limit=EVENTS, subject=name)}
    return tuple(sorted(found, key=lambda event: event.at)[-EVENTS:])
