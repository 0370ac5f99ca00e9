"""Alembic's entry point: runs inside the transaction of ``results_db.connection.migrate``, on its connection."""

from __future__ import annotations

from alembic import context

from results_db.schema import VERSION_TABLE, metadata


def run() -> None:
    """Run the migrations Alembic was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


# Alembic executes this file with a config at hand; anyone who merely imports it has none.
if getattr(context, "config", None) is not None:
    run()
