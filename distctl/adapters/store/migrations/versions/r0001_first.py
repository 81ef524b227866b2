"""The first schema of the record.

It stands by itself and never changes: later ones are migrations of their own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _number(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _time(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=False) for name in names]


def _flag(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean, nullable=False) for name in names]


def _one() -> sa.Column[int]:
    return sa.Column("one", sa.Integer, primary_key=True, autoincrement=False)


def _counter() -> sa.Column[int]:
    return sa.Column("id", COUNTER, primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Make every table."""
    _whose()
    _wanted()
    _seen()
    _happened()


def _whose() -> None:
    op.create_table(
        "meta",
        _one(),
        *_text("id", "cluster"),
        *_number("generation"),
        sa.Column("revision", sa.BigInteger, nullable=True),
        *_time("created"),
    )
    op.create_table(
        "lease",
        _one(),
        *_text("owner"),
        *_number("token"),
        *_time("expires"),
        *_text("reason"),
        *_time("since"),
    )


def _wanted() -> None:
    op.create_table(
        "revisions",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        *_text("document", "author"),
        *_time("at"),
        *_text("message"),
    )
    op.create_table(
        "intents",
        _key("node"),
        *_flag("cordoned", "draining", "stopped"),
        *_text("why", "author"),
        *_time("since"),
    )
    op.create_table(
        "pins",
        _key("model"),
        *_number("replicas", "file"),
        *_text("why", "author"),
        *_time("since"),
    )
    op.create_table("replicas", _key("node"), _key("server"), _key("model"), *_text("digest", "slot"))
    op.create_table("routers", _key("router"), _key("place"))


def _seen() -> None:
    op.create_table("known_nodes", _key("node"), *_text("document"))
    op.create_table("facts", _key("node"), *_text("document"))
    op.create_table("health", _key("node"), _key("server"), *_text("state", "reason"), *_time("since"))
    op.create_table(
        "load",
        _counter(),
        *_text("node", "server", "model"),
        *_time("at"),
        *_number("in_flight", "queued", "total"),
    )
    op.create_index("load_at", "load", ["at"])


def _happened() -> None:
    op.create_table("events", _counter(), *_time("at"), *_text("kind", "subject", "text", "author"))
    op.create_index("events_at", "events", ["at"])
    op.create_table(
        "operations",
        _counter(),
        *_text("plan"),
        *_number("number"),
        *_text("what", "state"),
        *_time("started", "ended"),
        *_text("outcome"),
        sa.UniqueConstraint("plan", "number", name="operations_plan_number"),
    )
