"""A serial by which commits are noticed, and events by what they are of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("meta", sa.Column("serial", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("events_subject", "events", ["subject", "at"])
