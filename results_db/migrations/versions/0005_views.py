"""Views for people. They belong to no revision: ``results_db.views`` makes them anew after every migration."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""
