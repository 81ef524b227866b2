"""How Alembic runs our migrations: on the connection, and in the transaction, of `migrate.upgrade`."""

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    version_table=attributes["version_table"],
    # SQLite undoes changes of the schema too, since the transaction is begun by ourselves.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
