"""An edition that every change of the record counts up, so that it is read again only after one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    op.add_column("meta", sa.Column("edition", sa.BigInteger, nullable=False, server_default="0"))
