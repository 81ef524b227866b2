"""What commands ask of the controller."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table of errands."""
    op.create_table(
        "errands",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("places", sa.Text, nullable=False),
        sa.Column("drain_seconds", sa.Double, nullable=True),
        sa.Column("force", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("begun", sa.Double, nullable=False),
        sa.Column("plans", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
    )
