"""``python -m analysis.compare``: our measurements against the published or re-evaluated ones, or two sweeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.charts.compare import Pairs, draw
from analysis.charts.legend import SEPARATOR
from analysis.measures.agreement import Agreement, overlap
from analysis.reading import disturbed, measured_how
from analysis.reading.results import SOURCES, Results, gather, load
from analysis.reading.selection import Selection
from search_space.errors import SweepError
from search_space.metrics import Quantity

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from results_db.store import Store


def figure(store: Store, selection: Selection, tell: Callable[[str], None] | None = None) -> Figure:
    """The comparison of two sources or two sweeps that share models and a metric. Raises SweepError naming what there
    is."""
    chart, _, speeds = compared(store, selection)
    if tell is not None:
        for text in disturbed.notes(disturbed.timings(speeds), store.url):
            tell(text)
    return chart


def compared(store: Store, selection: Selection) -> tuple[Figure, list[Agreement], pd.DataFrame]:
    """The chart, the agreement of each scale in it, and the rows with the speeds that its frontiers are made of.

    ``against``, or the first sweep, is on the x axis.
    """
    if selection.other_sweep is not None:
        first, second = of_both(store, selection)
        titles = [store.sweep(name).name for name in selection.sweeps]
        return _drawn(titles[0], titles[1], first, second, selection.metric)
    whole = load(store, selection)
    there = [source for source in SOURCES if (whole["source"] == source).any()]
    if selection.source is None and selection.against is None and len(there) < 2:
        names = ", ".join(there) or "nothing"
        raise SweepError(f"comparing needs two sources; here is {names} (sweep published import brings one)")
    against = selection.against or next(s for s in reversed(there) if s != selection.source)
    source = selection.source or next((s for s in there if s != against), against)
    if source == against:
        raise SweepError(f"choose two different sources: both are {source!r}")
    wide = replace(selection, protocol=None)
    first = gather(store, replace(wide, source=against), whole)
    second = gather(store, replace(wide, source=source), whole)
    return _drawn(against, source, first, second, selection.metric)


def of_both(store: Store, selection: Selection) -> tuple[Results, Results]:
    """The results of the two sweeps that are named. Raises SweepError where they are one and the same."""
    if selection.sweep is None or selection.other_sweep is None:
        raise SweepError("comparing sweeps needs two of them: --sweep A --sweep B (sweep list names them)")
    if store.sweep_id(selection.sweep) == store.sweep_id(selection.other_sweep):
        raise SweepError(f"choose two different sweeps: both are {selection.sweep}")
    one = replace(selection, other_sweep=None)
    return gather(store, one), gather(store, replace(one, sweep=selection.other_sweep))


def _drawn(
    against: str, source: str, first: Results, second: Results, name: str | None
) -> tuple[Figure, list[Agreement], pd.DataFrame]:
    metric = shared_metric(first, second, name)
    timed = _timed(first, second)
    pairs = [pair for scale in second.scales if (pair := _pairs(first, second, timed, metric, scale)) is not None]
    if not pairs:
        raise SweepError(f"{source} and {against} have no model in common with {metric.column}")
    speeds = timed[np.logical_or.reduce([_used(timed, pair) for pair in pairs])]
    parts = [_side(source, second), _side(against, first)]
    if len(speeds):
        parts += [f"speeds: {measured_how.timing_line(speeds)}", measured_how.how_many_disturbed(speeds)]
    chart, agreements = draw(pairs, metric, against, source, SEPARATOR.join(part for part in parts if part))
    return chart, agreements, speeds


def _used(timed: pd.DataFrame, pair: Pairs) -> NDArray[np.bool_]:
    """Which rows of ``timed`` the frontiers of a scale are made of (N,)."""
    devices = [device for device, _ in pair.overlaps]
    return (timed["config"].isin(pair.configs) & timed["device"].isin(devices)).to_numpy(dtype=bool)


def _side(title: str, results: Results) -> str:
    """What one side shows: its source (a sweep's name does not tell it), quality protocol and seeds."""
    named = title if title == results.source else f"{title} ({results.source})"
    return f"{named}: {results.protocol}, {measured_how.seeds(results)}"


def _timed(first: Results, second: Results) -> pd.DataFrame:
    """A row per config and device with a speed, those of ``second`` before those of ``first``."""
    import pandas as pd

    both = pd.concat([results.table[results.table["fps"].notna()] for results in (first, second)])
    return both.drop_duplicates(["config", "device"], keep="last")


def shared_metric(first: Results, second: Results, name: str | None) -> Quantity:
    """The metric ``name``, or the first that both have. Raises SweepError naming what each has."""
    common = [m for m in second.metrics if m in first.metrics]
    if name is not None:
        second.metric(name)
        return first.metric(name)
    if not common:
        raise SweepError(
            f"no metric in common: {first.source} has {', '.join(first.metrics) or 'none'}; "
            f"{second.source} has {', '.join(second.metrics) or 'none'}"
        )
    return second.metric(common[0])


def _pairs(first: Results, second: Results, timed: pd.DataFrame, metric: Quantity, scale: int) -> Pairs | None:
    a = first.table[first.table["scale"] == scale].drop_duplicates(subset="config").set_index("config")
    b = second.table[second.table["scale"] == scale].drop_duplicates(subset="config").set_index("config")
    common = a[metric.column].dropna().index.intersection(b[metric.column].dropna().index)
    both = [config for config in b.index if config in common]
    if not both:
        return None
    x, y = (table.loc[both, metric.column].to_numpy(dtype=float) for table in (a, b))
    overlaps = []
    for device, here in timed.groupby("device"):
        fps = here.set_index("config")["fps"].reindex(both).to_numpy(dtype=float)
        if np.isfinite(fps).sum() >= 3:
            overlaps.append((str(device), overlap(fps, x, y, (True, metric.more_is_better))))
    return Pairs(scale, both, list(b.loc[both, "family"]), x, y, tuple(overlaps))


if __name__ == "__main__":
    from analysis.script import main

    main("compare")
