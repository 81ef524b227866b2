"""The weights of slots, brought to what the servers were seen to need for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distctl.app.claiming import claimed
from distctl.cluster.record import AddEvent, Change, Event, Record, SetFacts
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.policy.view import policy_of
from distctl.policy.weights import USUAL, Weight, weight_facts, weights, weights_of

if TYPE_CHECKING:
    from distctl.app.leasing import Keeper
    from distctl.app.session import Session


def weigh(session: Session, keeper: Keeper, snapshot: Snapshot) -> tuple[Weight, ...]:
    """Set the weights that are clearly wrong, in the record and in every router that runs; what changed.

    Raises NodeError, RouterError when a router cannot be told: the weights are recorded all the same.
    """
    record = session.store.load()
    changed = tuple(w for model in _by_load(session, record) for w in _weights(model, record, snapshot))
    if not changed:
        return ()
    session.store.commit(keeper.lease.token, [*_facts(record, changed), _event(session, changed)])
    routers = [router for router in session.spec.router_ids if _runs(snapshot, router)]
    with claimed(session, keeper, record, {router.place for router in routers}):
        routing = session.routers.routing(keeper.lease.token, routers, record, snapshot)
        for router in routers:
            routing.bring(router)
    return changed


def _by_load(session: Session, record: Record) -> list[str]:
    """The models whose servers are chosen by load."""
    known = session.routers.sequences(record)
    return [m.name for m in session.spec.models if policy_of(m, known.get(m.name)) == "least-load"]


def _weights(model: str, record: Record, snapshot: Snapshot) -> tuple[Weight, ...]:
    kept = weights_of(record, model)
    taking = {r.server for r in record.replicas if r.model == model and r.slot is SlotState.READY}
    before = {server: kept.get(server, USUAL) for server in taking}
    measured = {
        server: sight.service[model]
        for server, sight in snapshot.servers.items()
        if not sight.error and model in sight.service
    }
    return weights(model, measured, before)


def _facts(record: Record, changed: tuple[Weight, ...]) -> list[Change]:
    return [
        SetFacts(node, {**record.facts.get(node, {}), **facts})
        for node, facts in weight_facts(changed).items()
    ]


def _event(session: Session, changed: tuple[Weight, ...]) -> AddEvent:
    text = "; ".join(told(weight) for weight in changed)
    return AddEvent(Event(session.clock.now(), "weights", session.spec.cluster, text, session.author))


def told(weight: Weight) -> str:
    """A changed weight as a sentence."""
    return f"{weight.model} on {weight.server}: weight {weight.before} to {weight.after}, {weight.why}"


def _runs(snapshot: Snapshot, router: RouterId) -> bool:
    sight = snapshot.routers.get(router)
    return sight is not None and sight.running and not sight.error
