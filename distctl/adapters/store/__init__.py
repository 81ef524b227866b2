"""The record in a database: SQLite beside the inventory, or a PostgreSQL server that a team shares.

`store` holds the adapter; `schema` the tables, `reads` and `writes` the statements, `place` what concerns a
file, `engine` the connection, `migrate` the way from an older schema. The SQL is SQLAlchemy's: nothing here
depends on one database but `place` and the few lines of `engine` that say so.
"""

from distctl.adapters.store.engine import HASTE
from distctl.adapters.store.migrate import SHIPPED, Migrations
from distctl.adapters.store.store import SqlStore

__all__ = ["HASTE", "SHIPPED", "Migrations", "SqlStore"]
