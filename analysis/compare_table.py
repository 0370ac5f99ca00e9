"""Two sweeps beside each other in a table: per scale and family what the second changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.charts import style
from analysis.compare import of_both, shared_metric
from analysis.table import Table
from search_space.errors import SweepError
from search_space.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from analysis.reading.selection import Selection
    from results_db.store import Store

ALL = "all"
"""The row of a scale over its families."""


def compared(store: Store, selection: Selection) -> Table:
    """Per scale, and family of it: the models that both sweeps have, and the differences, the second minus the first.

    Raises SweepError where they have no model or no metric in common.
    """
    first, second = of_both(store, selection)
    metric = shared_metric(first, second, selection.metric)
    names = [store.sweep(name).name for name in selection.sweeps]
    both = _both(first.table, second.table, metric.column)
    if both.empty:
        raise SweepError(f"{names[0]} and {names[1]} have no model in common with {metric.column}")
    sign = 1 if metric.more_is_better else -1
    rows: list[tuple[Any, ...]] = []
    for scale, at_scale in both.groupby("scale"):
        families = style.in_order(at_scale["family"].unique())
        parts = [(family, at_scale[at_scale["family"] == family]) for family in families]
        for family, part in parts if len(parts) == 1 else [*parts, (ALL, at_scale)]:
            gain = part["second"] - part["first"]
            places = [int((sign * part[side]).to_numpy().argmax()) for side in ("first", "second")]
            best = [float(part[side].iloc[place]) for side, place in zip(("first", "second"), places, strict=True)]
            changes = (float(gain.median()), float(gain.min()), float(gain.max()))
            rows.append((scale, family, len(part), *changes, *best, *(part["config"].iloc[place] for place in places)))
    digits = METRICS[metric.name].decimals
    columns = ("scale", "family", "models", f"median change of {metric.title}", "lowest", "highest",
               *(f"best of {name}" for name in names), *(f"config of {name}" for name in names))  # fmt: skip
    return Table(columns, (None, None, None, *[digits] * 5, None, None), tuple(rows))


def _both(first: pd.DataFrame, second: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per model with a value in both: ``config, family, scale, first, second``."""
    sides: Sequence[pd.DataFrame] = [
        table[table[column].notna()].drop_duplicates(subset="config")[["config", "family", "scale", column]]
        for table in (first, second)
    ]
    left = sides[0].rename(columns={column: "first"})
    return left.merge(sides[1][["config", column]].rename(columns={column: "second"}), on="config")
