"""When a lease was given (a clock set back must not make it endless), history, and the measurement of each image."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("trial", sa.Column("lease_from", sa.Double))
    op.execute(
        "UPDATE trial SET lease_from = (SELECT started_at FROM attempt"
        " WHERE attempt.trial_id = trial.id AND attempt.number = trial.attempt)"
        " WHERE state = 'running'"
    )
    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("trial_id", ID),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_event_trial_id_trial", ondelete="CASCADE"),
    )
    op.create_index("ix_event_trial_id", "event", ["trial_id"])
    op.create_table(
        "quality_image",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("measure_id", ID, nullable=False),
        sa.Column("per_image", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("trial_id", "measure_id", name="pk_quality_image"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_quality_image_trial_id_trial", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["measure_id"], ["measure.id"], name="fk_quality_image_measure_id_measure"),
    )
