"""The tables of the record, as the newest migration leaves them (a test compares the two).

Whatever belongs to a server is keyed by (node, server) from the first migration on. Times are seconds since
the epoch in double precision, texts have no length, and no type is one database's own.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData()


class Said(TypeDecorator[str]):
    """A text. Zero bytes, which logs have and PostgreSQL does not take, become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """What is stored."""
        return value and value.replace("\0", "\ufffd")


# SQLite counts up only a column of exactly this type.
COUNTER = BigInteger().with_variant(Integer, "sqlite")


def _key(name: str) -> Column[str]:
    return Column(name, Said, primary_key=True)


def _text(name: str) -> Column[str]:
    return Column(name, Said, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _counter(name: str) -> Column[int]:
    return Column(name, COUNTER, primary_key=True, autoincrement=True)


def _one(name: str = "one") -> Column[int]:
    """The key of a table that has one row, whose value is 1."""
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _table(name: str, *columns: SchemaItem) -> Table:
    return Table(name, metadata, *columns)


def _held(name: str) -> Table:
    """Something that one process has at a time."""
    return _table(
        name, _one(), _text("owner"), _number("token"), _time("expires"), _text("reason"), _time("since")
    )


meta = _table(
    "meta",
    _one(),
    _text("id"),
    _text("cluster"),
    _number("generation"),
    Column("revision", BigInteger, nullable=True),
    _time("created"),
    Column("serial", BigInteger, nullable=False, server_default="0"),
    Column("edition", BigInteger, nullable=False, server_default="0"),
)
lease = _held("lease")
leader = _held("leader")
revisions = _table(
    "revisions",
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _text("document"),
    _text("author"),
    _time("at"),
    _text("message"),
)
intents = _table(
    "intents",
    _key("node"),
    _flag("cordoned"),
    _flag("draining"),
    _flag("stopped"),
    _text("why"),
    _text("author"),
    _time("since"),
)
pins = _table(
    "pins", _key("model"), _number("replicas"), _number("file"), _text("why"), _text("author"), _time("since")
)
sized = _table("sized", _key("model"), _number("replicas"), _number("asked"), _text("why"), _time("since"))
powers = _table(
    "powers",
    _key("node"),
    _text("state"),
    _time("since"),
    _text("why"),
    _text("author"),
    _time("used"),
    _time("saved"),
    _number("tries"),
)
errands = _table(
    "errands",
    _key("id"),
    _text("what"),
    _text("words"),
    _text("author"),
    _time("since"),
    _text("places"),
    Column("drain_seconds", Double, nullable=True),
    _flag("force"),
    _text("state"),
    _time("begun"),
    _text("plans"),
    _text("outcome"),
)
replicas = _table("replicas", _key("node"), _key("server"), _key("model"), _text("digest"), _text("slot"))
known_nodes = _table("known_nodes", _key("node"), _text("document"))
routers = _table("routers", _key("router"), _key("place"))
keys = _table(
    "keys",
    _key("name"),
    _text("digest"),
    _number("rate"),
    _number("concurrency"),
    _text("models"),
    _text("author"),
    _time("since"),
)
facts = _table("facts", _key("node"), _text("document"))
health = _table("health", _key("node"), _key("server"), _text("state"), _text("reason"), _time("since"))
load = _table(
    "load",
    _counter("id"),
    _text("node"),
    _text("server"),
    _text("model"),
    _time("at"),
    _number("in_flight"),
    _number("queued"),
    _number("total"),
    Index("load_at", "at"),
)
hours = _table(
    "hours",
    _key("node"),
    _key("model"),
    Column("at", Double, primary_key=True),
    _time("until"),
    _number("minutes"),
    _number("requests"),
    _number("in_flight"),
    _number("queued"),
    _number("most"),
    _time("most_at"),
    Index("hours_at", "at"),
)
events = _table(
    "events",
    _counter("id"),
    _time("at"),
    _text("kind"),
    _text("subject"),
    _text("text"),
    _text("author"),
    Index("events_at", "at"),
    Index("events_subject", "subject", "at"),
)
operations = _table(
    "operations",
    _counter("id"),
    _text("plan"),
    _number("number"),
    _text("what"),
    _text("state"),
    _time("started"),
    _time("ended"),
    _text("outcome"),
    UniqueConstraint("plan", "number", name="operations_plan_number"),
)
# Written on servers alone: a file is never lost in the middle of a commit.
writes = _table("writes", _key("name"), _time("at"))
