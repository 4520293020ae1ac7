"""Alembic's entry: the connection is handed over by `riskrelay.storage.engines.schema`, never made here."""

from alembic import context

from riskrelay.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
