"""What the page says of training: the loss curve of each model, and what the sweep cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from results_db.reading.costs import costs
from results_db.reading.trial_facts import Curve, curves

if TYPE_CHECKING:
    from results_db.store import Store

MOST_POINTS = 32
"""Of a curve on the page: enough for its size there, and 1185 of them stay under a megabyte."""


def training(store: Store, sweeps: Sequence[str], trials: Sequence[int | None]) -> dict[str, Any]:
    """JSON-ready: ``curves`` ([[step, loss], ...] by trial id) and ``costs``."""
    parts = [asdict(costs(store, number)) for number in map(store.sweep_id, sweeps)] or [asdict(costs(store))]
    total = {name: _sum([part[name] for part in parts]) for name in parts[0]}
    found = curves(store, sorted({trial for trial in trials if trial is not None}))
    return {
        "curves": {str(trial): [[step, _short(loss)] for step, loss in thin(curve)]
                   for trial, curve in found.items()},
        "costs": {name: _short(value) for name, value in total.items()},
    }  # fmt: skip


def _sum(values: Sequence[float | None]) -> float | None:
    """None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _short(value: float | None) -> float | None:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def thin(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """At most ``most`` points: means of neighbours, at the last step of each group.

    >>> thin(((1, 0.4), (2, 0.2), (3, 0.1), (4, 0.1)), 2)
    ((2, 0.30000000000000004), (4, 0.1))
    """
    size = -(-len(curve) // most)
    groups = [curve[i : i + size] for i in range(0, len(curve), size)] if size else []
    return tuple((group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups)
