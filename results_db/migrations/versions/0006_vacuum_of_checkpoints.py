"""PostgreSQL clears replaced states away as fast as they come; its usual pace is for tables that change less."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OPTIONS = ("autovacuum_vacuum_cost_delay = 0", "toast.autovacuum_vacuum_cost_delay = 0")
"""No pause between pages: a state is replaced once a minute and worker, up to some hundred a second."""


def upgrade() -> None:
    """SQLite reuses pages without being told."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE checkpoint SET ({', '.join(OPTIONS)})")
