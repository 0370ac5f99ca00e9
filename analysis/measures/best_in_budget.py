"""Which model to ship: the frontier of the models that fit a budget, and the best of them; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.measures.frontier import frontier
from analysis.measures.seed_spread import membership, standard_errors
from search_space.metrics import Quantity

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BudgetChoice:
    """The models that fit a budget, and the best of them."""

    frontier: tuple[Mapping[str, Any], ...]
    """Rows of the results, fastest first, that no other row that fits beats in speed and quality."""
    pick: Mapping[str, Any] | None
    """The best in quality of those; None when nothing fits."""
    considered: int
    """Models with a speed and a quality."""
    unknown_power: int
    """Models left out because a power limit was asked for and their power is not known."""
    sure: tuple[float, ...] | None = None
    """Of each row of ``frontier``: how often it is on it when the quality of all is drawn anew within the error that
    the seeds show (``seed_spread.membership``); None where no config has several seeds."""


def choose(
    table: pd.DataFrame,
    metric: Quantity,
    min_fps: float | None = None,
    max_watts: float | None = None,
    spread: Mapping[str, float] | None = None,
) -> BudgetChoice:
    """The best among the rows of one scale and device. ``min_fps`` in frames/s, ``max_watts`` in W.

    The limits apply before the frontier: a model beaten only by models that draw too much power can still be the best.
    ``spread`` is the standard deviation of one training's quality by family (``seed_spread.standard_errors``), in the
    metric's unit.
    """
    complete = table[table["fps"].notna() & table[metric.column].notna()]
    fits = complete if min_fps is None else complete[complete["fps"] >= min_fps]
    unknown = 0
    if max_watts is not None:
        unknown = fits.loc[fits["power_w"].isna(), "config"].nunique()
        fits = fits[fits["power_w"] <= max_watts]
    points, better = fits[["fps", metric.column]].to_numpy(dtype=float), (True, metric.more_is_better)
    members = frontier(points, better).members
    rows = tuple({str(k): v for k, v in row.items()} for row in fits.iloc[list(members)].to_dict("records"))
    pick = None
    if rows:
        sign = 1 if metric.more_is_better else -1
        pick = max(rows, key=lambda row: (sign * row[metric.column], row["fps"]))
    sure = None
    if spread is not None and rows:
        shares = membership(points, standard_errors(spread, fits["family"].tolist(), fits["repeats"]), better)
        sure = tuple(float(shares[member]) for member in members)
    return BudgetChoice(rows, pick, complete["config"].nunique(), unknown, sure)


def fact(row: Mapping[str, Any], metric: Quantity) -> dict[str, Any]:
    """A row as ``sweep best --json`` gives it: what is known by plain names, None for what is not."""

    def number(name: str) -> float | None:
        value = row.get(name)
        return float(value) if value is not None and math.isfinite(value) else None

    parameters = number("parameters")
    return {
        "config": row["config"],
        "fps": number("fps"),
        metric.name: number(metric.column),
        "power_w": number("power_w"),
        "energy_j": number("energy_j"),
        "memory_mib": number("memory_mib"),
        "parameters": None if parameters is None else int(parameters),
        "backend": row.get("backend"),
        "precision": row.get("precision"),
        "disturbed": row["disturbed"] if isinstance(row.get("disturbed"), bool) else None,
    }
