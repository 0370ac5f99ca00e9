"""What carried each training out: engines, device, precision, PyTorch. Unknown for trials that are done already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trial", sa.Column("engines", sa.Text))
    op.add_column("trial", sa.Column("trained_on", sa.Text))
    op.add_column("trial", sa.Column("training_precision", sa.String(16)))
    op.add_column("trial", sa.Column("torch", sa.String(64)))
