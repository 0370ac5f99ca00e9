"""``python -m analysis.devices``: speed on one device against speed on another, and how far their ranks agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from analysis.charts.devices import draw
from analysis.reading import disturbed, measured_how
from analysis.reading.results import gather_means
from analysis.reading.selection import Selection
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store

MOST = 5
"""Timings on one chart: each pair of them is a panel."""


def figure(store: Store, selection: Selection, tell: Callable[[str], None] | None = None) -> Figure:
    """The chart of every pair of timings (device, and backend or precision where one device has several)."""
    results = gather_means(store, selection, quality=False)
    if tell is not None:
        measured_how.tell_notices(results, store.url, tell)
    table = results.table[results.table["fps"].notna()]
    kinds = table[["device", "backend", "precision"]].drop_duplicates()
    many = kinds["device"].duplicated(keep=False).any()
    label = table["device"] + (", " + table["backend"] + " " + table["precision"] if many else "")
    wide = table.assign(label=label).pivot_table(index="config", columns="label", values="fps", aggfunc="max")
    if wide.shape[1] < 2:
        there = ", ".join(map(str, wide.columns)) or "none"
        raise SweepError(f"comparing needs speeds of two devices; here is {there} (sweep benchmark measures one)")
    if wide.shape[1] > MOST:
        raise SweepError(f"{wide.shape[1]} timings are too many: choose with --backend or --precision")
    first = table.drop_duplicates(subset="config").set_index("config").loc[wide.index]
    speeds = {str(name): wide[name].to_numpy(dtype=float) for name in wide.columns}
    note = f"{len(wide)} models · {measured_how.line(results, table, quality=False)} · Spearman's rank correlation"
    noisy = wide.index.isin(table.loc[disturbed.mask(table), "config"])
    return draw(speeds, list(first["family"]), first["scale"].to_numpy(dtype=np.float64), note, noisy)


if __name__ == "__main__":
    from analysis.script import main

    main("devices")
