"""Which of several controllers leads."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of one row, which nobody has yet."""
    table = op.create_table(
        "leader",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.bulk_insert(table, [{"one": 1, "owner": "", "token": 0, "expires": 0.0, "reason": "", "since": 0.0}])
