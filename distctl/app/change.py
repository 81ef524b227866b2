"""From a wish to a plan, and from a plan to a changed cluster: the same way for every command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from uuid import uuid4

from distctl.app.claiming import claim_nodes, let_go
from distctl.app.leasing import Keeper
from distctl.app.looking import look, new_facts
from distctl.app.pins import pin_images
from distctl.app.reaching import try_ways
from distctl.app.session import Session
from distctl.app.wishing import unfit, wish_of, without
from distctl.cluster.record import (
    EVERYWHERE,
    AddEvent,
    Change,
    DropPin,
    Errand,
    Event,
    Intent,
    Record,
    Revision,
    SetFacts,
    SetIntent,
    SetRevision,
    apply,
)
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.control.adopt import adoption, refuse_at_work, uncarried
from distctl.control.execute import Outcome, State, Watch, execute
from distctl.control.guarded import guarded
from distctl.control.journal import journal
from distctl.control.perform import Job
from distctl.errors import NodeError
from distctl.policy.diff import diff
from distctl.policy.errands import patiences
from distctl.policy.lives import count_name, gone
from distctl.policy.plan import Plan
from distctl.policy.reach import ROUND_TRIP, Way, slowest, ways
from distctl.policy.wish import Wish


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with everything that it was made from."""

    plan: Plan
    wish: Wish
    record: Record
    snapshot: Snapshot
    troubles: tuple[NodeError, ...] = ()  # nodes that are left alone because no server can run there
    ways: tuple[Way, ...] = ()  # those from routers to servers that the plan depends on, as they were tried


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plan is carried out.

    `plan` is its id in the journal, "" for a new one. `errands` are those that it is carried out for, with
    options of their own, and with somebody who reads in the journal how far it is. `pressing` says what is
    more urgent by now, "" for nothing.
    """

    max_failures: int = 1_000_000
    force: bool = False
    drain_seconds: float | None = None
    plan: str = ""
    errands: tuple[Errand, ...] = ()
    pressing: Callable[[], str] = _nothing


AS_USUAL = Manner()


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
    Raises ForeignNode when the nodes belong to another cluster or record, NodeLocked while another copy of
    the record is at work on them.
    """
    if keeper is not None:
        session.needs.alive = keeper.renew
    record = session.store.load()
    session.remember(record)
    snapshot = look(session, record)
    facts = new_facts(record, snapshot)
    record = reduce(apply, facts, record)
    session.remember(record)
    facts += (pinned := pin_images(session, record, snapshot, fresh=fresh))
    record = reduce(apply, pinned, record)
    learnt: list[Change] = list(adoption(session.spec, record, snapshot, adopt=adopt))
    if keeper is not None:
        refuse_at_work(record, snapshot, ended=session.has_ended)
    learnt += _ended_pins(session, record)
    record = reduce(apply, learnt, record)
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
    tried = try_ways(session, ways(prepared.plan, session.spec, prepared.record.shut))
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


def _ended_pins(session: Session, record: Record) -> list[Change]:
    files = {model.name: model.replicas for model in session.spec.models}
    files |= {count_name(router.name): len(router.on) for router in session.spec.routers}
    return [DropPin(m) for m, pin in record.pins.items() if files.get(m) not in (None, pin.over)]


def carry_out(
    session: Session,
    keeper: Keeper,
    prepared: Prepared,
    *,
    watch: Watch,
    what: str,
    manner: Manner = AS_USUAL,
) -> tuple[Outcome, ...]:
    """Carry out a plan under the lease: claim the nodes, do every step, let go, write what became of it.

    Raises BrokenOff once something is more urgent.
    Raises LeaseHeld, NodeLocked, StaleGeneration, ForeignNode before anything was changed, and when somebody
    else takes a node over on the way.
    """
    session.needs.fetch(prepared.plan)
    away = {name for name, sight in prepared.snapshot.nodes.items() if not sight.reachable}
    told = {router.place for router in _told(session, prepared)} if prepared.plan.routes else set()
    nodes = {*prepared.plan.nodes, *(told - away)}
    claim_nodes(session, keeper, prepared.record, prepared.snapshot, nodes)
    plan, words = manner.plan or uuid4().hex[:12], bool(manner.errands)
    job = _job(session, keeper, prepared, manner)
    try:
        outcomes = execute(
            job,
            prepared.plan,
            watch=journal(session.store, session.clock, keeper.lease.token, plan, watch, words=words),
            renew=keeper.renew,
            max_failures=manner.max_failures,
            pressing=manner.pressing,
        )
    finally:
        job.routing.withdraw()
        let_go(keeper)
    session.store.commit(keeper.lease.token, [AddEvent(_event(session, what, outcomes))])
    return outcomes


def carry_intents(session: Session, keeper: Keeper, prepared: Prepared) -> None:
    """Let nodes carry what was said of them when no plan is carried out. Raises as `carry_out` does."""
    record, snapshot = prepared.record, prepared.snapshot
    claim_nodes(session, keeper, record, snapshot, uncarried(record, snapshot))
    let_go(keeper)


def _job(session: Session, keeper: Keeper, prepared: Prepared, manner: Manner) -> Job:
    nodes = {node.name: node for node in session.whole(prepared.record)}
    world = guarded(session.world, keeper.renew)
    return Job(
        world=world,
        token=keeper.lease.token,
        routing=session.routers.routing(
            keeper.lease.token, _told(session, prepared), prepared.record, prepared.snapshot, world=world
        ),
        nodes=nodes,
        models={model.name: model for model in session.spec.models},
        contents=prepared.wish.contents,
        documents={name: session.document(node) for name, node in nodes.items()},
        cleared={node.name: session.document(node) for node in session.spec.nodes},
        force=manner.force,
        drain_seconds=manner.drain_seconds,
        patiences=patiences(manner.errands, session.clock.now()),
        lame_ducks={r: session.routed.router(r.router).lame_duck for r in session.routed.router_ids},
        addresses=prepared.wish.addresses,
    )


def _told(session: Session, prepared: Prepared) -> tuple[RouterId, ...]:
    """The routers that are told of every change, and that confirm every drain.

    One that left the file is among them while it answers, unless it is about to be stopped. One that was
    drained or stopped is not: nobody asks it again and again whether it is back.
    """
    sights = prepared.snapshot.routers
    left = prepared.wish.left if not prepared.wish.prune else ()
    running = [router for router in left if router in sights and sights[router].running]
    fated = ((router, prepared.wish.fate(router)) for router in session.spec.router_ids)
    wanted = [r for r, fate in fated if not gone(fate, prepared.record, r, sights.get(r))]
    return (*wanted, *running)


def summed_up(outcomes: Sequence[Outcome]) -> str:
    """What a plan came to, in one sentence."""
    failed = [o for o in outcomes if o.state is State.FAILED]
    text = f"{sum(o.state is State.DONE for o in outcomes)} of {len(outcomes)} steps done"
    if failed:
        text += "; failed: " + "; ".join(f"{o.step.operation.text}: {o.detail}" for o in failed[:3])
    return text


def _event(session: Session, what: str, outcomes: Sequence[Outcome]) -> Event:
    text = summed_up(outcomes)
    return Event(session.clock.now(), what, session.spec.cluster, text, session.author)


def write_revision(session: Session, keeper: Keeper, message: str = "") -> Revision | None:
    """Keep this version of the spec if it differs from the last one; what comes back is the new one.

    A cluster that was taken down is wanted again from here on.
    """
    record = session.store.load()
    if record.taken_down:
        session.store.commit(keeper.lease.token, [SetIntent(Intent(EVERYWHERE))])
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
