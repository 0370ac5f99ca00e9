"""What a sweep cost: the hours of processors that its attempts held, from when each was claimed until it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from results_db.schema import attempt, event, trial
from results_db.tables.history import ENERGY
from results_db.tables.trials import of_sweep

if TYPE_CHECKING:
    from results_db.store import Store

CPUS, GPUS, PACK = "cpus", "gpus", "pack"
"""Keys of an attempt's detail: what its worker holds, and how many members its pack has."""
KNOWN_ENDS = ("done", "failed", "excused")
"""Outcomes whose end is when the work ended. The attempts of a driver that died end only when another notices."""


@dataclass(frozen=True)
class Costs:
    """Of the attempts that brought an outcome, failed ones too. Measuring quality is part of them, speed is not."""

    core_hours: float
    gpu_hours: float
    attempts: int
    not_counted: int
    """Attempts that ended without an outcome, when their driver was stopped or died."""
    energy_kwh: float | None
    """Of the machine while it trained, with all that ran on it; None where no counter told it, as on a cluster."""


def costs(store: Store, sweep_id: int | None = None) -> Costs:
    """What the attempts at a sweep's trials (None: at all) cost.

    The members of a pack share its time evenly: they are claimed and end together.
    """
    rows = store.database.read(lambda c: _ended(c, sweep_id))
    counted = [(end - start, json.loads(detail)) for start, end, outcome, detail in rows if outcome in KNOWN_ENDS]
    shares = [(max(0.0, seconds) / max(1, int(detail.get(PACK, 1))) / 3600, detail) for seconds, detail in counted]
    return Costs(
        core_hours=sum(hours * float(detail.get(CPUS, 1.0)) for hours, detail in shares),
        gpu_hours=sum(hours * float(detail.get(GPUS, 0.0)) for hours, detail in shares),
        attempts=len(counted),
        not_counted=len(rows) - len(counted),
        energy_kwh=store.database.read(lambda c: _energy(c, sweep_id)),
    )


def _energy(connection: Connection, sweep_id: int | None) -> float | None:
    query = select(event.c.detail).where(event.c.kind == ENERGY)
    told = [json.loads(detail) for detail in connection.execute(query).scalars()]
    joules = [float(one["joules"]) for one in told if sweep_id in (None, one["sweep"])]
    return sum(joules) / 3.6e6 if joules else None


def _ended(connection: Connection, sweep_id: int | None) -> Sequence[Any]:
    query = select(attempt.c.started_at, attempt.c.ended_at, attempt.c.outcome, attempt.c.detail)
    query = query.join(trial, trial.c.id == attempt.c.trial_id).where(attempt.c.ended_at.is_not(None))
    return connection.execute(of_sweep(query, sweep_id)).all()
