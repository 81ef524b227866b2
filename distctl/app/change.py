"""From a wish to a plan, and from a plan to a changed cluster: the same way for every command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from uuid import uuid4

from distctl.app.pins import learnt_facts, pin_images
from distctl.app.reaching import try_ways
from distctl.app.session import Session
from distctl.app.wishing import unfit, wish_of, without
from distctl.cluster.record import (
    AddEvent,
    Adopt,
    Change,
    DropPin,
    Event,
    Lease,
    Record,
    Revision,
    SetFacts,
    SetRevision,
    apply,
)
from distctl.cluster.snapshot import Owner, Snapshot
from distctl.control.adopt import adoption, intents_text, uncarried
from distctl.control.claim import claim, let_go
from distctl.control.execute import Outcome, State, Watch, execute
from distctl.control.journal import journal
from distctl.control.observe import observe
from distctl.control.perform import Job
from distctl.errors import LeaseHeld, NodeError
from distctl.policy.diff import diff
from distctl.policy.plan import Plan
from distctl.policy.ports import taken_ports
from distctl.policy.reach import ROUND_TRIP, Way, lost, remedy, slowest, told, ways
from distctl.policy.wish import Wish

LEASE = 30.0  # seconds; renewed every third of it while a command works
RETRY = 1.0  # seconds between two tries for a lease that somebody holds


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with everything that it was made from."""

    plan: Plan
    wish: Wish
    record: Record
    snapshot: Snapshot
    troubles: tuple[NodeError, ...] = ()  # nodes that are left alone because no server can run there
    ways: tuple[Way, ...] = ()  # those from routers to servers that the plan depends on, as they were tried


@dataclass(slots=True)
class Keeper:
    """Keeps a lease alive while a command works. `renew` may be called as often as one likes."""

    session: Session
    lease: Lease
    due: float = field(default_factory=time.monotonic)

    def renew(self) -> None:
        """Renew the lease when a third of it has gone. Raises LeaseHeld when somebody else has it."""
        if time.monotonic() - self.due > LEASE / 3:
            self.lease = self.session.store.renew(self.lease, seconds=LEASE)
            self.due = time.monotonic()


@contextmanager
def leased(
    session: Session, reason: str, *, wait: float = 0.0, say: Callable[[str], None] = lambda _: None
) -> Iterator[Keeper]:
    """The right to change the cluster, given back at the end whatever happens.

    Waits up to `wait` seconds for somebody else to finish. Raises LeaseHeld.
    """
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            keeper = Keeper(session, session.store.acquire(session.owner, reason, seconds=LEASE))
            break
        except LeaseHeld as error:
            if time.monotonic() >= deadline:
                raise
            if not told:
                say(f"waiting for the lease: {error.message}")
                told = True
            session.clock.sleep(RETRY)
    try:
        yield keeper
    finally:
        session.store.release(keeper.lease)


def look(session: Session, record: Record, *, deep: bool = True) -> Snapshot:
    """Look at everything that the inventory and the record name."""
    nodes = (*session.spec.nodes, *session.leaving(record), *(session.own_place() if deep else ()))
    routers = {*session.spec.router_ids, *record.routers}
    return observe(session.world, nodes, sorted(routers), deep=deep)


def prepare(
    session: Session,
    keeper: Keeper | None = None,
    *,
    prune: bool = False,
    adopt: bool = False,
    awaited: Sequence[str] = (),
    fresh: bool = False,
) -> Prepared:
    """Look, compare, and say what is to be done. With a lease, what was learnt is written down.

    `fresh`: images mean what their registries say now, not what the record remembers.
    `awaited` are draining nodes whose last request is waited for, also when they take no new one already.
    Raises ForeignNode when the nodes belong to another cluster or record.
    """
    record = session.store.load()
    session.remember(record)
    snapshot = look(session, record)
    learnt: list[Change] = list(adoption(session.spec, record, snapshot, adopt=adopt))
    learnt += _ended_pins(session, record)
    record = reduce(apply, learnt, record)
    facts = learnt_facts(record, snapshot, pin_images(session, record, snapshot, fresh=fresh))
    if keeper is not None:
        session.store.commit(keeper.lease.token, [*learnt, *facts])
    session.remember(record)
    troubles = unfit(session, snapshot)
    usable = without(snapshot, troubles)
    wish = wish_of(session, record, usable, prune=prune, awaited=awaited)
    plan = diff(wish, record, usable)
    found = Prepared(plan, wish, record, snapshot, troubles=tuple(troubles.values()))
    return _with_ways(found, session, keeper, prune=prune)


def _with_ways(prepared: Prepared, session: Session, keeper: Keeper | None, *, prune: bool) -> Prepared:
    """Try the ways that the plan depends on: a router checks its servers as sharply as they are near."""
    tried = try_ways(session, ways(prepared.plan, session.spec))
    measured: list[Change] = []
    for place in sorted({way.router.place for way in tried}):
        time = slowest(tried, place)
        if time is not None:
            facts = {**prepared.record.facts.get(place, {}), ROUND_TRIP: f"{time:g}"}
            measured.append(SetFacts(place, facts))
    if not measured:
        return replace(prepared, ways=tried)
    if keeper is not None:
        session.store.commit(keeper.lease.token, measured)
    return replace(with_changes(prepared, session, measured, prune=prune), ways=tried)


def refuse_taken_ports(session: Session, prepared: Prepared) -> None:
    """Raise NodeError, with the holder's name, when a port that the plan needs is in use."""
    found = taken_ports(prepared.plan, session.spec, prepared.snapshot)
    if found:
        first = found[0]
        ports = ", ".join(f"{t.port} (by {t.holder})" for t in found if t.node == first.node)
        raise NodeError(
            first.node,
            f"start {first.what}",
            f"ports in use: {ports}; nothing was changed",
            hint="stop what holds them, or give other ports in the inventory",
        )


def refuse_lost_ways(session: Session, prepared: Prepared) -> None:
    """Raise NodeError when a router that the plan depends on cannot reach a server, with what to do."""
    tried = {(way.router, way.server) for way in prepared.ways}
    needed = ways(prepared.plan, session.spec)
    found = (*prepared.ways, *try_ways(session, [pair for pair in needed if pair not in tried]))
    missing = [way for way in lost(found) if (way.router, way.server) in needed]
    if missing:
        first = missing[0]
        more = f" (and {len(missing) - 1} more ways)" if len(missing) > 1 else ""
        raise NodeError(
            first.router.place,
            "reach every server",
            f"{told(first)}{more}; nothing was changed",
            hint=remedy(first),
        )


def _ended_pins(session: Session, record: Record) -> list[Change]:
    files = {model.name: model.replicas for model in session.spec.models}
    return [DropPin(m) for m, pin in record.pins.items() if files.get(m) not in (None, pin.over)]


def carry_out(
    session: Session,
    keeper: Keeper,
    prepared: Prepared,
    *,
    watch: Watch,
    what: str,
    max_failures: int = 1_000_000,
    force: bool = False,
    drain_seconds: float | None = None,
) -> tuple[Outcome, ...]:
    """Carry out a plan under the lease: claim the nodes, do every step, let go, write what became of it.

    Raises LeaseHeld, NodeLocked, StaleGeneration, ForeignNode before anything was changed.
    """
    owner = _next_owner(session, keeper, prepared.record)
    away = {name for name, sight in prepared.snapshot.nodes.items() if not sight.reachable}
    told = {router.place for router in session.spec.router_ids} if prepared.plan.routes else set()
    nodes = session.ours(sorted({*prepared.plan.nodes, *(told - away)}))
    claim(session.world, nodes, owner)
    try:
        outcomes = execute(
            _job(session, keeper, prepared, force, drain_seconds),
            prepared.plan,
            watch=journal(session.store, session.clock, keeper.lease.token, uuid4().hex[:12], watch),
            renew=keeper.renew,
            max_failures=max_failures,
        )
    finally:
        let_go(session.world, nodes)
    session.store.commit(keeper.lease.token, [AddEvent(_event(session, what, outcomes))])
    return outcomes


def carry_intents(session: Session, keeper: Keeper, prepared: Prepared) -> None:
    """Let nodes carry what was said of them when no plan is carried out. Raises as `carry_out` does."""
    nodes = session.ours(uncarried(prepared.record, prepared.snapshot))
    if nodes:
        claim(session.world, nodes, _next_owner(session, keeper, prepared.record))
        let_go(session.world, nodes)


def _next_owner(session: Session, keeper: Keeper, record: Record) -> Owner:
    """Who claims nodes now, with a new generation that is in the record first."""
    now = session.clock.now()
    session.store.commit(keeper.lease.token, [Adopt(record.id, record.generation + 1)])
    return Owner(
        cluster=session.spec.cluster,
        record=record.id,
        generation=record.generation + 1,
        by=session.author,
        at=now,
        until=now + LEASE,
        intents=intents_text(record),
    )


def _job(
    session: Session, keeper: Keeper, prepared: Prepared, force: bool, drain_seconds: float | None
) -> Job:
    nodes = {node.name: node for node in (*session.spec.nodes, *prepared.wish.leaving)}
    return Job(
        world=session.world,
        token=keeper.lease.token,
        routing=session.routing(keeper.lease.token),
        nodes=nodes,
        models={model.name: model for model in session.spec.models},
        contents=prepared.wish.contents,
        documents={name: session.document(node) for name, node in nodes.items()},
        force=force,
        drain_seconds=drain_seconds,
    )


def _event(session: Session, what: str, outcomes: Sequence[Outcome]) -> Event:
    failed = [o for o in outcomes if o.state is State.FAILED]
    text = f"{sum(o.state is State.DONE for o in outcomes)} of {len(outcomes)} steps done"
    if failed:
        text += "; failed: " + "; ".join(f"{o.step.operation.text}: {o.detail}" for o in failed[:3])
    return Event(session.clock.now(), what, session.spec.cluster, text, session.author)


def write_revision(session: Session, keeper: Keeper, message: str = "") -> Revision | None:
    """Keep this version of the spec if it differs from the last one; what comes back is the new one."""
    record = session.store.load()
    document = session.spec_document()
    last = record.revision
    if last is not None and last.document == document:
        return None
    number = last.number + 1 if last else 1
    revision = Revision(number, document, session.author, session.clock.now(), message)
    session.store.commit(keeper.lease.token, [SetRevision(revision)])
    return revision


def with_changes(prepared: Prepared, session: Session, changes: Sequence[Change], *, prune: bool) -> Prepared:
    """The plan as it would be after some changes to the record; nothing is written."""
    record = reduce(apply, changes, prepared.record)
    awaited = prepared.wish.awaited
    usable = without(prepared.snapshot, unfit(session, prepared.snapshot))
    wish = wish_of(session, record, usable, prune=prune, awaited=awaited)
    return replace(prepared, record=record, wish=wish, plan=diff(wish, record, usable))
