"""Alembic runs this file; everything it needs comes in ``config.attributes["connection"]``, with a transaction open."""

from __future__ import annotations

from alembic import context

from millrace.storage.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it; Alembic writes revisions so that it can.
    render_as_batch=True,
)
context.run_migrations()
