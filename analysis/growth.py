"""``python -m analysis.growth``: how the frontier grew over the sweep's time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from analysis.charts.growth import History, draw
from analysis.reading import measured_how
from analysis.reading.results import Results, gather_means
from analysis.reading.selection import Selection
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store


def figure(store: Store, selection: Selection, tell: Callable[[str], None] | None = None) -> Figure:
    """The chart for one device (the first one when none is asked for), or against MACs where nothing was timed."""
    results = gather_means(store, selection)
    if tell is not None:
        measured_how.tell_notices(results, store.url, tell)
    y = results.metric(selection.metric)
    name = selection.x if selection.x != "fps" or results.devices else "macs"
    x = results.cost(name)
    device = selection.device or (results.devices[0] if results.devices and x.measured else None)
    table = results.table if device is None else results.table[results.table["device"] == device]
    table = table[table[x.column].notna() & table[y.column].notna()]
    table = table.drop_duplicates(subset="config").sort_values("finished_at", kind="stable")
    if table.empty:
        raise SweepError("nothing is both finished and measured yet")
    start, timed = _start(results)
    histories = []
    for scale in results.scales:
        mine = table[table["scale"] == scale]
        if len(mine):
            hours = (mine["finished_at"].to_numpy(dtype=float) - start) / 3600
            when = hours if timed else np.arange(1, len(mine) + 1, dtype=float)
            histories.append(History(scale, when, mine[x.column].to_numpy(float), mine[y.column].to_numpy(float)))
    unit, factor = _unit(max(float(h.when.max()) for h in histories)) if timed else ("results, in stored order", 1.0)
    histories = [History(h.scale, h.when * factor, h.x, h.y) for h in histories]
    models = f"{len(table)} model{'' if len(table) == 1 else 's'}"
    note = (f"{device} · " if device else "") + f"{models} · {measured_how.line(results, table, device is not None)}"
    note += "" if timed else " · imported in one go: there is no time to show"
    return draw(histories, x, y, unit, "How the frontier grew", note)


def _start(results: Results) -> tuple[float, bool]:
    """When the first model was begun, and whether the times say anything."""
    ended = results.table["finished_at"]
    begun = (ended - results.table["seconds"].fillna(0)).min()
    return float(begun), bool(ended.nunique() > 1)


def _unit(hours: float) -> tuple[str, float]:
    if hours >= 3:
        return "hours since the start", 1.0
    return ("minutes since the start", 60.0) if hours >= 0.05 else ("seconds since the start", 3600.0)


if __name__ == "__main__":
    from analysis.script import main

    main("growth")
