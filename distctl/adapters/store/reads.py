"""From rows back to what the record remembers: the whole in thirteen queries, histories by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, select

from distctl.adapters.store import schema
from distctl.cluster import record as r
from distctl.cluster.errand import OVER
from distctl.cluster.hours import Hour
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import RouterId, ServerId
from distctl.errors import StoreDamaged


def _rows(connection: Connection, query: Table | Select[Any]) -> Iterable[RowMapping]:
    return connection.execute(select(query) if isinstance(query, Table) else query).mappings()


def identity(connection: Connection) -> RowMapping:
    """The one row that says whose record this is: id, cluster, generation, revision (a number or None)."""
    row = connection.execute(select(schema.meta)).mappings().first()
    if row is None:
        raise _nobodys()
    return row


def cluster(connection: Connection) -> str:
    """Whose record this is, also of an older schema; "" when that was never said. Raises StoreDamaged."""
    found = connection.execute(select(schema.meta.c.cluster)).scalar()
    if found is None:
        raise _nobodys()
    return str(found)


def serial(connection: Connection) -> int:
    """How many commits have changed what is wanted. Raises StoreDamaged."""
    found = connection.execute(select(schema.meta.c.serial)).scalar()
    if found is None:
        raise _nobodys()
    return int(found)


Edition = tuple[str, int]  # a record's id and how many commits have changed what it says


def edition(connection: Connection) -> Edition:
    """Which edition the record is now: while it is the same, so is the record. Raises StoreDamaged."""
    meta = identity(connection)
    return meta["id"], meta["edition"]


def record(connection: Connection) -> r.Record:
    """One reading of the store, inside the connection's transaction."""
    meta = identity(connection)
    return r.Record(
        id=meta["id"],
        generation=meta["generation"],
        serial=meta["serial"],
        revision=None if meta["revision"] is None else revision(connection, meta["revision"]),
        intents={row["node"]: _intent(row) for row in _rows(connection, schema.intents)},
        pins={row["model"]: _pin(row) for row in _rows(connection, schema.pins)},
        replicas=frozenset(_replica(row) for row in _rows(connection, schema.replicas)),
        known={row["node"]: r.Known(**row) for row in _rows(connection, schema.known_nodes)},
        routers=frozenset(RouterId(**row) for row in _rows(connection, schema.routers)),
        health={_server(row): _health(row) for row in _rows(connection, schema.health)},
        facts={row["node"]: json.loads(row["document"]) for row in _rows(connection, schema.facts)},
        keys={row["name"]: _key(row) for row in _rows(connection, schema.keys)},
        sized={row["model"]: _sized(row) for row in _rows(connection, schema.sized)},
        powers={row["node"]: _power(row) for row in _rows(connection, schema.powers)},
        errands={row["id"]: _errand(row) for row in _rows(connection, _errands())},
    )


def _nobodys() -> StoreDamaged:
    return StoreDamaged("the record has lost its identity", hint="put a backup of the record in its place")


def revision(connection: Connection, number: int) -> r.Revision | None:
    """The spec's revision of that number, if there is one."""
    query = select(schema.revisions).where(schema.revisions.c.number == number)
    return next((r.Revision(**row) for row in _rows(connection, query)), None)


def history(connection: Connection, limit: int) -> tuple[r.Revision, ...]:
    """The newest `limit` revisions, oldest first."""
    query = select(schema.revisions).order_by(schema.revisions.c.number.desc()).limit(limit)
    return tuple(r.Revision(**row) for row in _rows(connection, query))[::-1]


def events(connection: Connection, since: Instant, limit: int, subject: str | None) -> tuple[r.Event, ...]:
    """The newest `limit` events at or after `since`, oldest first; of one subject unless that is None."""
    table = schema.events
    newest = select(table).where(table.c.at >= since).order_by(table.c.at.desc(), table.c.id.desc())
    if subject is not None:
        newest = newest.where(table.c.subject == subject)
    return tuple(_event(row) for row in _rows(connection, newest.limit(limit)))[::-1]


def operations(connection: Connection, plan: str | None) -> tuple[r.OperationEntry, ...]:
    """The operations of a plan by number; of the plan that was begun last if `plan` is None."""
    table = schema.operations
    if plan is None:
        plan = connection.execute(select(table.c.plan).order_by(table.c.id.desc()).limit(1)).scalar()
    query = select(table).where(table.c.plan == plan).order_by(table.c.number)
    return tuple(_operation(row) for row in _rows(connection, query))


def errand(connection: Connection, id: str) -> r.Errand | None:
    """The errand of that id, open or not; None when nobody asked for it, or long ago."""
    query = select(schema.errands).where(schema.errands.c.id == id)
    return next((_errand(row) for row in _rows(connection, query)), None)


def _errands() -> Select[Any]:
    """Those that are not over."""
    return select(schema.errands).where(schema.errands.c.state.not_in([state.value for state in OVER]))


def loads(connection: Connection, since: Instant) -> tuple[r.Load, ...]:
    """Every load at or after `since`, oldest first."""
    table = schema.load
    query = select(table).where(table.c.at >= since).order_by(table.c.at, table.c.id)
    return tuple(_load(row) for row in _rows(connection, query))


def hours(connection: Connection, since: Instant, model: str | None) -> tuple[Hour, ...]:
    """Every hour at or after `since`, oldest first; of one model unless that is None."""
    table = schema.hours
    query = select(table).where(table.c.at >= since).order_by(table.c.at, table.c.node, table.c.model)
    if model is not None:
        query = query.where(table.c.model == model)
    return tuple(Hour(**row) for row in _rows(connection, query))


def _server(row: RowMapping) -> ServerId:
    return ServerId(row["node"], row["server"])


def _intent(row: RowMapping) -> r.Intent:
    said = {name: row[name] for name in ("node", "cordoned", "draining", "stopped", "why", "since")}
    return r.Intent(**said, by=row["author"])


def _pin(row: RowMapping) -> r.Pin:
    return r.Pin(row["model"], row["replicas"], row["file"], row["why"], row["author"], row["since"])


def _sized(row: RowMapping) -> r.Sized:
    return r.Sized(row["model"], row["replicas"], row["asked"], row["why"], row["since"])


def _power(row: RowMapping) -> r.Power:
    said = {name: row[name] for name in ("node", "since", "why", "used", "saved", "tries")}
    return r.Power(**said, state=r.PowerState(row["state"]), by=row["author"])


def _errand(row: RowMapping) -> r.Errand:
    said = {name: row[name] for name in ("id", "what", "words", "since", "drain_seconds", "begun", "outcome")}
    return r.Errand(
        **said,
        by=row["author"],
        places=tuple(json.loads(row["places"])),
        force=row["force"],
        state=r.ErrandState(row["state"]),
        plans=tuple(json.loads(row["plans"])),
    )


def _replica(row: RowMapping) -> r.Replica:
    return r.Replica(_server(row), row["model"], row["digest"], SlotState(row["slot"]))


def _key(row: RowMapping) -> r.Key:
    said = {name: row[name] for name in ("name", "digest", "rate", "concurrency", "since")}
    return r.Key(**said, models=tuple(json.loads(row["models"])), by=row["author"])


def _health(row: RowMapping) -> r.Health:
    return r.Health(_server(row), row["state"], row["reason"], row["since"])


def _event(row: RowMapping) -> r.Event:
    return r.Event(row["at"], row["kind"], row["subject"], row["text"], row["author"])


def _operation(row: RowMapping) -> r.OperationEntry:
    fields = {name: row[name] for name in ("plan", "number", "what", "started", "ended", "outcome")}
    return r.OperationEntry(**fields, state=r.OperationState(row["state"]))


def _load(row: RowMapping) -> r.Load:
    return r.Load(_server(row), row["model"], row["at"], row["in_flight"], row["queued"], row["total"])
