"""Run by Alembic: uses the connection that it is handed, within that connection's transaction."""

from __future__ import annotations

from alembic import context

from cpe_manager.adapters.db.tables import metadata


def run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
