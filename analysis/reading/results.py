"""The results a question is about, out of a store: one row a (config, device, backend, precision)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.reading.axes import METRICS, Axis, cost, metric
from analysis.reading.selection import Ask
from results_db.reading import frames, seed_means
from results_db.reading.speed_kinds import of_most_configs
from search_space import parse_id
from search_space.describe import describe
from search_space.errors import BadConfig, SweepError

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

SOURCES = ("ours", "re-evaluated", "published")
"""Which source is shown when none is asked for: the first that has results."""
SPEED = ("device", "backend", "precision")


@dataclass(frozen=True)
class Results:
    """A frame and what is known about it."""

    table: pd.DataFrame
    """As ``results_db.reading.frames.results``, one source, one protocol, with ``parameters`` and ``macs_full_hd``
    filled, repeats (seeds) averaged; ``energy_j`` is power / speed where ``derived_energy``."""
    source: str
    protocol: str
    planned: Mapping[int, frozenset[str]]
    """Ids planned for each scale, finished or not."""
    repeats: int
    """Most results (seeds) averaged into one row."""
    derived_energy: bool

    @property
    def metrics(self) -> list[str]:
        """Quality columns, the most complete first, PSNR before the others."""
        kinds = list(METRICS)
        named = [c for c in self.table.columns if c.split(":")[0] in METRICS and ":" in c]
        found = [c for c in named if self.table[c].notna().any()]
        return sorted(found, key=lambda c: (kinds.index(c.split(":")[0]), -self.table[c].count()))

    @property
    def devices(self) -> list[str]:
        """Devices with a speed."""
        return sorted(self.table["device"].dropna().unique())

    @property
    def scales(self) -> list[int]:
        """Scales planned or finished."""
        return sorted(set(self.table["scale"].dropna().astype(int).tolist()) | set(self.planned))

    def metric(self, name: str | None) -> Axis:
        """The quality asked for, or the usual one. Raises SweepError naming those there are."""
        if not self.metrics:
            raise SweepError("there are no quality figures in this store yet (sweep status says how far it is)")
        if name is None:
            return metric(self.metrics[0])
        wanted = name if ":" in name else next((m for m in self.metrics if m.startswith(f"{name}:")), name)
        if wanted not in self.metrics:
            raise SweepError(f"there is no metric {name!r} here (choose from {', '.join(self.metrics)})")
        return metric(wanted)

    def cost(self, name: str) -> Axis:
        """The cost asked for. Raises SweepError when no model has a figure for it."""
        axis = cost(name)
        if axis.column not in self.table or not self.table[axis.column].notna().any():
            hint = " (sweep benchmark measures it)" if axis.name not in ("parameters", "macs") else ""
            raise SweepError(f"no model here has a figure for {axis.label.lower()}{hint}")
        return axis


def load(store: Store, ask: Ask) -> pd.DataFrame:
    """All rows of the store that ``ask`` may be about, every source."""
    return frames.results(store, sweep=ask.sweep, backend=ask.backend, precision=ask.precision)


def gather_means(store: Store, ask: Ask, figures: bool = True) -> Results:
    """``gather`` for a chart, which looks at no single trial: the database takes the means over seeds.

    Only what ``ask.metric`` needs is read, and no figure where none is wanted.
    """
    metrics: list[str] | None = None
    if not figures and ask.protocol is None:
        metrics = []
    else:
        # Without a wish the most complete of the first kind is shown.
        name = ask.metric or next(iter(METRICS))
        metrics = [m for m in frames.measures(store) if m == name or m.startswith(f"{name}:")] or None
    means = seed_means.means(store, ask.sweep, ask.backend, ask.precision, metrics)
    results = gather(store, ask, means)
    if metrics and not results.metrics:
        # It is there for another source or device only: the refusal is to name what there is for this one.
        return gather(store, ask, seed_means.means(store, ask.sweep, ask.backend, ask.precision))
    return results


def gather(store: Store, ask: Ask | None = None, whole: pd.DataFrame | None = None) -> Results:
    """The results ``ask`` is about (out of ``whole``, when that was loaded before).

    Raises SweepError naming what there is when it asks for something else.
    """
    ask = ask or Ask()
    whole = load(store, ask) if whole is None else whole
    if whole.empty:
        raise SweepError(f"{store.url} holds no results yet (sweep run makes them, sweep status says how far it is)")
    table, source, protocol = _one_source(whole, ask)
    for column, wanted in (("scale", ask.scales), ("family", ask.families)):
        table = _only(table, column, wanted)
    if ask.device is not None:
        _refuse_unknown("device", ask.device, table["device"].dropna().unique())
        table = table[(table["device"] == ask.device) | table["device"].isna()]
    table, repeats = _average(_one_way(table, ask.speed_protocol))
    table = _with_costs(table)
    derived = bool(table["energy_j"].isna().all() and table["power_w"].notna().any())
    if derived:
        table["energy_j"] = table["power_w"] / table["fps"]
    return Results(table, source, protocol, _planned(store, ask, source), repeats, derived)


def _one_source(table: pd.DataFrame, ask: Ask) -> tuple[pd.DataFrame, str, str]:
    """Rows of one source and one quality protocol; figures of two are never mixed in one chart."""
    sources = list(table["source"].dropna().unique())
    if ask.source is not None:
        _refuse_unknown("source", ask.source, sources)
    chosen = ask.source or next((s for s in SOURCES if s in sources), sources[0] if sources else None)
    if chosen is None:
        raise SweepError("the store holds speeds but no finished model yet")
    table = table[table["source"] == chosen]
    protocols = table["protocol"].dropna()
    if ask.protocol is not None:
        _refuse_unknown("protocol", ask.protocol, protocols.unique())
    named = ask.protocol or (str(protocols.value_counts().index[0]) if len(protocols) else "")
    return table[(table["protocol"] == named) | table["protocol"].isna()], str(chosen), named


def _only(table: pd.DataFrame, column: str, wanted: Iterable[object]) -> pd.DataFrame:
    listed = list(wanted)
    for value in listed:
        _refuse_unknown(column, value, table[column].dropna().unique())
    return table[table[column].isin(listed)] if listed else table


def _refuse_unknown(kind: str, wanted: object, there: Iterable[object]) -> None:
    listed = sorted(there, key=str)
    if wanted not in listed:
        names = ", ".join(map(str, listed)) or "none: sweep benchmark measures one"
        raise SweepError(f"there is no {kind} {wanted!r} in these results (there is {names})")


def _one_way(table: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """Speeds of one protocol for each device, backend and precision: the wanted, else that of most configs.

    A model that was measured by another one only has no speed here; it keeps its quality.
    """
    kinds = table.loc[table["fps"].notna(), [*SPEED, "speed_protocol", "config"]]
    if wanted is not None:
        _refuse_unknown("speed protocol", wanted, kinds["speed_protocol"].unique())
        ours = table["speed_protocol"] == wanted
    elif kinds.drop_duplicates([*SPEED, "speed_protocol"]).duplicated(list(SPEED)).any():
        ours = of_most_configs(table, SPEED, ("speed_protocol",))
    else:
        return table
    kept = table[ours | table["device"].isna()]
    others = table[~table["config"].isin(kept["config"]) & table["trial"].notna()].drop_duplicates("trial")
    if others.empty:
        return kept
    import pandas as pd

    untimed = others.drop(columns=list(frames.OF_SPEEDS)).reindex(columns=table.columns)
    return pd.concat([kept, untimed], ignore_index=True)


def _average(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a (config, device, backend, precision): several seeds are averaged, the newest trial named."""
    key = ["config", *SPEED]
    grouped = table.groupby(key, dropna=False, sort=False)
    rows = int(grouped.size().max()) if len(table) else 0
    repeats = int(grouped["repeats"].sum().max()) if len(table) and "repeats" in table else rows
    if rows <= 1:
        return table.reset_index(drop=True), repeats
    qualities = [c for c in table.columns if ":" in c]
    means = table.groupby(key, dropna=False, sort=False)[qualities].transform("mean")
    table = table.assign(**{c: means[c] for c in qualities})
    return table.drop_duplicates(subset=key, keep="last").reset_index(drop=True), repeats


def _with_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Parameters and MACs by arithmetic; published parameter counts stay as published."""
    costs = {config: _costs(config) for config in table["config"].unique()}
    computed = table["config"].map({c: v[0] for c, v in costs.items()})
    return table.assign(
        parameters=table["parameters"].astype("float64").fillna(computed),
        macs_full_hd=table["config"].map({c: v[1] for c, v in costs.items()}),
    )


def _costs(config: str) -> tuple[float, float]:
    try:
        found = describe(parse_id(config))
    except BadConfig:
        # A family of someone's own file that is not loaded here: its results are still worth drawing.
        return float("nan"), float("nan")
    return float(found.parameters), float(found.macs_full_hd)


def _planned(store: Store, ask: Ask, source: str) -> dict[int, frozenset[str]]:
    """What was asked of the sweeps of this source, by scale, so that a chart can say what is missing."""
    out: dict[int, set[str]] = {}
    for name in seed_means.wanted_configs(store, source, ask.sweep):
        family, _, rest = name.partition("_s")
        scale = int(rest.split("_")[0])
        if (not ask.scales or scale in ask.scales) and (not ask.families or family in ask.families):
            out.setdefault(scale, set()).add(name)
    return {scale: frozenset(found) for scale, found in out.items()}
