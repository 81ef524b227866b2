"""Nodes that are turned off and on, and for how long they were either."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table of powers."""
    op.create_table(
        "powers",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("saved", sa.Double, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
    )
