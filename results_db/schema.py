"""The tables. UNIQUE keys make a second write of the same fact impossible.

Times are seconds since 1970 in UTC (REAL / double precision): they compare the same on both engines.
``measure`` names each metric, test set and protocol once, so that a million values are a million short rows.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.event import listen

APPLICATION: Final = "edge-sweep"
APPLICATION_ID: Final = 0x65647377
"""SQLite's ``PRAGMA application_id`` ("edsw"): tells our files from another program's."""
VERSION_TABLE: Final = "edge_sweep_version"
"""Alembic's bookkeeping, under a name of our own because Optuna keeps its own in the same database."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

sweep = Table(
    "sweep",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("recipe_json", Text, nullable=False),
    Column("git", Text, nullable=False),
    Column("source", String(16), nullable=False),
    Column("settings", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("name"),
)

trial = Table(
    "trial",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("config", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("recipe", String(64), nullable=False),
    Column("data", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_from", Double),
    Column("lease_until", Double),
    Column("failure", String(16)),
    Column("seconds", Double),
    Column("steps", BigInteger),
    Column("node", Text),
    Column("flags", Text),
    Column("parameters", BigInteger),
    Column("finished_at", Double),
    Column("engines", Text),
    Column("trained_on", Text),
    Column("training_precision", String(16)),
    Column("torch", String(64)),
    # Config last: planning reads all trials of one (recipe, data, code) by the prefix of this index.
    UniqueConstraint("recipe", "data", "code", "seed", "config"),
    Index(None, "config"),
    Index(None, "state", "lease_until"),
)

sweep_trial = Table(
    "sweep_trial",
    metadata,
    Column("sweep_id", _Id, ForeignKey("sweep.id", ondelete="CASCADE"), primary_key=True),
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "trial_id"),
    sqlite_with_rowid=False,
)
"""Which trials a sweep has: two sweeps with the same key share its one result."""

attempt = Table(
    "attempt",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("token", String(32), nullable=False),
    Column("node", Text),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("outcome", String(16)),
    Column("failure", String(16)),
    Column("error", Text),
    Column("traceback", Text),
    Column("seconds", Double),
    Column("steps", BigInteger),
    Column("curve", Text),
    Column("detail", Text, nullable=False),
    Index(None, "token"),
    Index(None, "outcome"),
)

measure = Table(
    "measure",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("dataset", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("unit", Text, nullable=False),
    UniqueConstraint("dataset", "metric", "protocol"),
)

quality = Table(
    "quality",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Column("measure_id", _Id, ForeignKey("measure.id"), primary_key=True),
    Column("value", Double),
    sqlite_with_rowid=False,
)

quality_image = Table(
    "quality_image",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Column("measure_id", _Id, ForeignKey("measure.id"), primary_key=True),
    Column("per_image", Text, nullable=False),
)
"""The value of each image, as one JSON list of [name, value] per measure."""

speed = Table(
    "speed",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("config", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("source", String(16), nullable=False),
    Column("fps", Double),
    Column("seconds_median", Double),
    Column("seconds_iqr", Double),
    Column("seconds_min", Double),
    Column("runs", Integer),
    Column("power_w", Double),
    Column("energy_j", Double),
    Column("memory_mib", Double),
    Column("temperature_c", Double),
    Column("cpu_percent", Double),
    Column("detail", Text, nullable=False),
    Column("measured_at", Double, nullable=False),
    UniqueConstraint("config", "device", "backend", "precision", "protocol", "source"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("saved_at", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""The newest state of each trial in training: replaced in place, removed when the trial is done."""
# No pause between pages: PostgreSQL's usual pace is for tables that change less than once a minute and worker.
_AT_ONCE = "ALTER TABLE checkpoint SET (autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_cost_delay = 0)"
listen(checkpoint, "after_create", DDL(_AT_ONCE).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]

event = Table(
    "event",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("trial_id", _Id, ForeignKey("trial.id", ondelete="CASCADE")),
    Column("kind", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "trial_id"),
)
"""What happened beside attempts: leases that ran out, results that were fenced, retries, migrations."""

TABLES: Final = (
    meta,
    sweep,
    trial,
    sweep_trial,
    attempt,
    measure,
    quality,
    quality_image,
    speed,
    artifact,
    checkpoint,
    event,
)
"""In an order in which each table comes after those it refers to."""
