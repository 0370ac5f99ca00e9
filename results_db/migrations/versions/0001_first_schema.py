"""The first schema: sweeps, trials, attempts, measurements, artifacts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _owned_by(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{other}"
    cascade = None if other == "measure" else "CASCADE"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=cascade)


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "sweep",
        sa.Column("id", ID, nullable=False, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("recipe_json", sa.Text, nullable=False),
        sa.Column("git", sa.Text, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep"),
        sa.UniqueConstraint("name", name="uq_sweep_name"),
    )
    op.create_table(
        "trial",
        sa.Column("id", ID, nullable=False, autoincrement=True),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("data", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Double),
        sa.Column("failure", sa.String(16)),
        sa.Column("seconds", sa.Double),
        sa.Column("steps", sa.BigInteger),
        sa.Column("node", sa.Text),
        sa.Column("flags", sa.Text),
        sa.Column("parameters", sa.BigInteger),
        sa.Column("finished_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.UniqueConstraint("recipe", "data", "code", "seed", "config", name="uq_trial_recipe"),
    )
    op.create_index("ix_trial_config", "trial", ["config"])
    op.create_index("ix_trial_state", "trial", ["state", "lease_until"])
    op.create_table(
        "sweep_trial",
        sa.Column("sweep_id", ID, nullable=False),
        sa.Column("trial_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("sweep_id", "trial_id", name="pk_sweep_trial"),
        _owned_by("sweep_trial", "sweep_id", "sweep"),
        _owned_by("sweep_trial", "trial_id", "trial"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sweep_trial_trial_id", "sweep_trial", ["trial_id"])
    op.create_table(
        "attempt",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("node", sa.Text),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("outcome", sa.String(16)),
        sa.Column("failure", sa.String(16)),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.Column("seconds", sa.Double),
        sa.Column("steps", sa.BigInteger),
        sa.Column("curve", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("trial_id", "number", name="pk_attempt"),
        _owned_by("attempt", "trial_id", "trial"),
    )
    op.create_index("ix_attempt_token", "attempt", ["token"])
    op.create_index("ix_attempt_outcome", "attempt", ["outcome"])
    op.create_table(
        "measure",
        sa.Column("id", ID, nullable=False, autoincrement=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_measure"),
        sa.UniqueConstraint("dataset", "metric", "protocol", name="uq_measure_dataset"),
    )
    op.create_table(
        "quality",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("measure_id", ID, nullable=False),
        sa.Column("value", sa.Double),
        sa.PrimaryKeyConstraint("trial_id", "measure_id", name="pk_quality"),
        _owned_by("quality", "trial_id", "trial"),
        _owned_by("quality", "measure_id", "measure"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "speed",
        sa.Column("id", ID, nullable=False, autoincrement=True),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("fps", sa.Double),
        sa.Column("seconds_median", sa.Double),
        sa.Column("seconds_iqr", sa.Double),
        sa.Column("seconds_min", sa.Double),
        sa.Column("runs", sa.Integer),
        sa.Column("power_w", sa.Double),
        sa.Column("energy_j", sa.Double),
        sa.Column("memory_mib", sa.Double),
        sa.Column("temperature_c", sa.Double),
        sa.Column("cpu_percent", sa.Double),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("measured_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_speed"),
        sa.UniqueConstraint("config", "device", "backend", "precision", "protocol", "source", name="uq_speed_config"),
    )
    op.create_table(
        "artifact",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("trial_id", "kind", name="pk_artifact"),
        _owned_by("artifact", "trial_id", "trial"),
    )
    meta = sa.table("meta", sa.column("key"), sa.column("value"))
    op.bulk_insert(meta, [{"key": "application", "value": "edge-sweep"}])
