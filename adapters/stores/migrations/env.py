"""Alembic's entry: runs on the connection it is given, inside the caller's transaction."""

from alembic import context

from adapters.stores.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
