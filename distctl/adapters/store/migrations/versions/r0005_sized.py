"""Counts that demand decided."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table of counts."""
    op.create_table(
        "sized",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("replicas", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
