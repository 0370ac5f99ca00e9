"""``python -m analysis.pareto``: speed (or another cost) against quality, a panel per scale, a row per device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from analysis.charts import pareto as chart
from analysis.measures.seed_spread import standard_errors
from analysis.reading import disturbed, measured_how
from analysis.reading.results import Results, gather_means, with_spread
from analysis.reading.selection import Selection
from search_space.errors import SweepError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results_db.store import Store

MOST_DEVICES = 6


def figure(store: Store, selection: Selection, tell: Callable[[str], None] | None = None) -> Figure:
    """The chart of a selection. Raises SweepError when the store holds nothing of the kind."""
    results = with_spread(store, selection, gather_means(store, selection))
    if tell is not None:
        measured_how.tell_notices(results, store.url, tell)
    return draw(results, selection)[0]


def draw(results: Results, selection: Selection) -> tuple[Figure, chart.Drawn]:
    """The chart of gathered results, and what it shows."""
    y = results.metric(selection.metric)
    x = results.cost(selection.x)
    devices: list[str | None] = [selection.device] if selection.device else [*results.devices]
    if not x.measured and not selection.device:
        devices = [None]
    if len(devices) > MOST_DEVICES:
        raise SweepError(
            f"{len(devices)} devices are too many for one chart: choose with --device ({', '.join(results.devices)})"
        )
    rows = [
        [_panel(results, device, scale, x.column, y.column, len(devices) > 1) for scale in results.scales]
        for device in devices
    ]
    what = "Speed" if x.name == "fps" else x.label
    where = f"{devices[0]}: " if len(devices) == 1 and devices[0] else ""
    title = f"{where}{what.lower() if where else what} against {y.label}"
    return chart.draw(rows, x, y, title, _note(results, devices, x.name))


def _panel(results: Results, device: str | None, scale: int, x: str, y: str, name_device: bool) -> chart.Panel:
    table = results.table[results.table["scale"] == scale]
    table = table.drop_duplicates(subset="config") if device is None else table[table["device"] == device]
    planned = results.planned.get(scale, frozenset()) | set(table["config"])
    spread = results.spread.get((scale, y))
    return chart.Panel(
        title=f"{device}, x{scale}" if name_device else f"x{scale}",
        configs=list(table["config"]),
        families=list(table["family"]),
        x=table[x].to_numpy(dtype=np.float64),
        y=table[y].to_numpy(dtype=np.float64),
        planned=len(planned),
        disturbed=disturbed.mask(table) if device is not None else None,
        errors=None if spread is None else standard_errors(spread, table["family"].tolist(), table["repeats"]),
    )


def _note(results: Results, devices: list[str | None], x: str) -> str:
    measured = devices != [None]
    table = results.table[results.table["device"].isin(devices)] if measured else results.table
    energy = ["energy = power / speed, idle included"] if x == "energy" and results.derived_energy else []
    bars = ["bars: standard error over seeds"] if results.spread else []
    return " · ".join([measured_how.line(results, table, measured), *energy, *bars])


if __name__ == "__main__":
    from analysis.script import main

    main("pareto")
