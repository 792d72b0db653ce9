"""What alembic runs: the steps, on the connection and inside the transaction of whoever opens the store."""

from __future__ import annotations

from alembic import context

from leaderboard.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
