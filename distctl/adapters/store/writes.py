"""What each change of the record is in SQL: the twin of `cluster.record.apply`.

A property test runs both on the same changes. Rows are put by update, then insert: no database's own upsert
is needed, since there is one writer at a time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import singledispatch
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, and_, case, delete, func, insert, or_, select, update

from distctl.adapters.store import schema
from distctl.cluster import record as r
from distctl.cluster.errand import OVER
from distctl.cluster.hours import ALL_NODES, Hour, joined, oldest
from distctl.cluster.serial import alters, counts
from distctl.cluster.spec import ServerId

Row = dict[str, Any]

ERRANDS = 100  # that are over and kept: their commands have long read what became of them
LOAD_SECONDS = 3600.0  # how long loads are kept; autoscaling looks back over minutes


def write(connection: Connection, changes: Sequence[r.Change]) -> None:
    """Write changes in their order; what comes in numbers (events, loads) goes in one statement."""
    if counts(changes):
        connection.execute(update(schema.meta).values(serial=schema.meta.c.serial + 1))
    if alters(changes):
        connection.execute(update(schema.meta).values(edition=schema.meta.c.edition + 1))
    for kind, group in groupby(changes, type):
        if kind is r.AddEvent:
            rows = [_event(change.event) for change in group if isinstance(change, r.AddEvent)]
            connection.execute(insert(schema.events), rows)
        elif kind is r.AddLoad:
            rows = [_load(change.load) for change in group if isinstance(change, r.AddLoad)]
            connection.execute(insert(schema.load), rows)
        elif kind is r.AddHour:
            _join(connection, [change.hour for change in group if isinstance(change, r.AddHour)])
        else:
            for change in group:
                _write(change, connection)


def prune(connection: Connection, changes: Sequence[r.Change], keep: int) -> None:
    """Forget all but the newest `keep` events and operations, and old loads, where `changes` added some."""
    kinds = {type(change) for change in changes}
    for kind, table in ((r.AddEvent, schema.events), (r.SetOperation, schema.operations)):
        if kind in kinds:
            newest = connection.execute(select(func.max(table.c.id))).scalar_one_or_none() or 0
            connection.execute(delete(table).where(table.c.id <= newest - keep))
    if r.SetErrand in kinds:
        _prune_errands(connection)
    loads = [change.load.at for change in changes if isinstance(change, r.AddLoad)]
    if loads:
        connection.execute(delete(schema.load).where(schema.load.c.at < max(loads) - LOAD_SECONDS))

    hours = [change.hour.at for change in changes if isinstance(change, r.AddHour)]
    if hours:
        table, (together, alone) = schema.hours, oldest(max(hours))
        old = and_(table.c.at < alone, table.c.node != ALL_NODES)
        connection.execute(delete(table).where(or_(table.c.at < together, old)))


def _join(connection: Connection, more: Sequence[Hour]) -> None:
    """Write the hours that some minutes belong to anew, with those in them: few statements for many rows."""
    table, begins = schema.hours, {hour.at for hour in more}
    rows = connection.execute(select(table).where(table.c.at.in_(begins))).mappings()
    found = {hour.key: hour for hour in (Hour(**row) for row in rows)}
    for hour in more:
        found[hour.key] = joined(found.get(hour.key), hour)
    connection.execute(delete(table).where(table.c.at.in_(begins)))
    connection.execute(insert(table), [asdict(hour) for hour in found.values()])


def _prune_errands(connection: Connection) -> None:
    """Forget all but the newest that are over."""
    table = schema.errands
    over = table.c.state.in_([state.value for state in OVER])
    newest = select(table.c.id).where(over).order_by(table.c.since.desc(), table.c.id).limit(ERRANDS)
    connection.execute(delete(table).where(over, table.c.id.not_in(newest)))


def _put(connection: Connection, table: Table, key: Row, values: Row) -> None:
    where = and_(*(table.c[name] == value for name, value in key.items()))
    # `values` may be empty: a row that is only a key.
    statement = update(table).where(where).values(values or key)
    if connection.execute(statement).rowcount == 0:
        connection.execute(insert(table), {**key, **values})


def _drop(connection: Connection, table: Table, **key: str) -> None:
    connection.execute(delete(table).where(and_(*(table.c[name] == value for name, value in key.items()))))


def _of(server: ServerId) -> Row:
    return {"node": server.node, "server": server.server}


def _event(event: r.Event) -> Row:
    return {
        "at": event.at,
        "kind": event.kind,
        "subject": event.subject,
        "text": event.text,
        "author": event.by,
    }


def _load(load: r.Load) -> Row:
    counts = {"in_flight": load.in_flight, "queued": load.queued, "total": load.total}
    return {**_of(load.server), "model": load.model, "at": load.at, **counts}


@singledispatch
def _write(change: object, connection: Connection) -> None:
    raise TypeError(f"not a change of the record: {change!r}")


@_write.register
def _(change: r.SetRevision, connection: Connection) -> None:
    revision = change.revision
    values = {
        "document": revision.document,
        "author": revision.author,
        "at": revision.at,
        "message": revision.message,
    }
    _put(connection, schema.revisions, {"number": revision.number}, values)
    connection.execute(update(schema.meta).values(revision=revision.number))


@_write.register
def _(change: r.SetIntent, connection: Connection) -> None:
    intent = change.intent
    if not (intent.cordoned or intent.draining):
        _drop(connection, schema.intents, node=intent.node)
        return
    values = {
        "cordoned": intent.cordoned,
        "draining": intent.draining,
        "stopped": intent.stopped,
        "why": intent.why,
        "author": intent.by,
        "since": intent.since,
    }
    _put(connection, schema.intents, {"node": intent.node}, values)


@_write.register
def _(change: r.SetPin, connection: Connection) -> None:
    pin = change.pin
    values = {
        "replicas": pin.count,
        "file": pin.over,
        "why": pin.why,
        "author": pin.by,
        "since": pin.since,
    }
    _put(connection, schema.pins, {"model": pin.model}, values)


@_write.register
def _(change: r.DropPin, connection: Connection) -> None:
    _drop(connection, schema.pins, model=change.model)


@_write.register
def _(change: r.SetSized, connection: Connection) -> None:
    sized = change.sized
    values = {"replicas": sized.count, "asked": sized.asked, "why": sized.why, "since": sized.since}
    _put(connection, schema.sized, {"model": sized.model}, values)


@_write.register
def _(change: r.SetPower, connection: Connection) -> None:
    power = change.power
    values = {
        "state": power.state.value,
        "since": power.since,
        "why": power.why,
        "author": power.by,
        "used": power.used,
        "saved": power.saved,
        "tries": power.tries,
    }
    _put(connection, schema.powers, {"node": power.node}, values)


@_write.register
def _(change: r.SetErrand, connection: Connection) -> None:
    errand = change.errand
    values = {
        "what": errand.what,
        "words": errand.words,
        "author": errand.by,
        "since": errand.since,
        "places": json.dumps(errand.places),
        "drain_seconds": errand.drain_seconds,
        "force": errand.force,
        "state": errand.state.value,
        "begun": errand.begun,
        "plans": json.dumps(errand.plans),
        "outcome": errand.outcome,
    }
    _put(connection, schema.errands, {"id": errand.id}, values)


@_write.register
def _(change: r.SetReplica, connection: Connection) -> None:
    replica = change.replica
    values = {"digest": replica.digest, "slot": replica.slot.value}
    _put(connection, schema.replicas, {**_of(replica.server), "model": replica.model}, values)


@_write.register
def _(change: r.DropReplica, connection: Connection) -> None:
    _drop(connection, schema.replicas, **_of(change.server), model=change.model)


@_write.register
def _(change: r.SetKnown, connection: Connection) -> None:
    _put(connection, schema.known_nodes, {"node": change.known.node}, {"document": change.known.document})


@_write.register
def _(change: r.DropNode, connection: Connection) -> None:
    per_server = (schema.health, schema.replicas, schema.load, schema.hours)
    for table in (schema.known_nodes, schema.intents, schema.facts, schema.powers, *per_server):
        _drop(connection, table, node=change.node)


@_write.register
def _(change: r.SetRouter, connection: Connection) -> None:
    _put(connection, schema.routers, {"router": change.router.router, "place": change.router.place}, {})


@_write.register
def _(change: r.DropRouter, connection: Connection) -> None:
    _drop(connection, schema.routers, router=change.router.router, place=change.router.place)


@_write.register
def _(change: r.SetKey, connection: Connection) -> None:
    key = change.key
    values = {
        "digest": key.digest,
        "rate": key.rate,
        "concurrency": key.concurrency,
        "models": json.dumps(key.models),
        "author": key.by,
        "since": key.since,
    }
    _put(connection, schema.keys, {"name": key.name}, values)


@_write.register
def _(change: r.DropKey, connection: Connection) -> None:
    _drop(connection, schema.keys, name=change.name)


@_write.register
def _(change: r.SetHealth, connection: Connection) -> None:
    health = change.health
    values = {"state": health.state, "reason": health.reason, "since": health.since}
    _put(connection, schema.health, _of(health.server), values)


@_write.register
def _(change: r.SetFacts, connection: Connection) -> None:
    document = json.dumps(dict(change.facts), sort_keys=True)
    _put(connection, schema.facts, {"node": change.node}, {"document": document})


@_write.register
def _(change: r.Adopt, connection: Connection) -> None:
    older = schema.meta.c.generation < change.generation
    generation = case((older, change.generation), else_=schema.meta.c.generation)
    connection.execute(update(schema.meta).values(id=change.id, generation=generation))


@_write.register
def _(change: r.SetOperation, connection: Connection) -> None:
    entry = change.operation
    values = {
        "what": entry.what,
        "state": entry.state.value,
        "started": entry.started,
        "ended": entry.ended,
        "outcome": entry.outcome,
    }
    _put(connection, schema.operations, {"plan": entry.plan, "number": entry.number}, values)
