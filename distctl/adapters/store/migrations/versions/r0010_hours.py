"""Hours of load."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table of hours."""
    op.create_table(
        "hours",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("minutes", "requests", "in_flight", "queued", "most")
        ),
        sa.Column("most_at", sa.Double, nullable=False),
    )
    op.create_index("hours_at", "hours", ["at"])
