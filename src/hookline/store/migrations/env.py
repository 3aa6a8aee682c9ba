"""Alembic's entry: migrates over the connection that `Database.migrate` hands it."""

from alembic import context

from hookline.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="hookline_schema_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
