"""The results of a selection, read from a store: one row per config, device, backend and precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analysis.measures import seed_spread
from analysis.reading.disturbed import keep_speeds, mask
from analysis.reading.models import UNTRAINED
from analysis.reading.selection import Selection
from results_db.reading import frames, seed_means, speed_kinds
from search_space import parse_id
from search_space.costs.describe import describe
from search_space.errors import BadConfig, SweepError
from search_space.metrics import METRICS, Quantity, cost, metric

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

SOURCES = ("ours", "re-evaluated", "published")
"""Which source is shown when none is asked for: the first that has results."""
SPEED = ("device", "backend", "precision")
OWN_SPREAD = 3
"""Configs with several seeds from which on a family's spread is its own."""


@dataclass(frozen=True)
class Results:
    """A frame of results, and what they are results of."""

    table: pd.DataFrame
    """As ``results_db.reading.frames.results``, one source, one protocol, with ``parameters`` and ``macs_full_hd``
    filled, seeds averaged (``repeats`` of them); ``energy_j`` is power / speed where ``derived_energy``."""
    source: str
    protocol: str
    planned: Mapping[int, frozenset[str]]
    """Ids planned for each scale, finished or not."""
    repeats: int
    """Most results (seeds) averaged into one row."""
    derived_energy: bool
    others: Mapping[str, int] = field(default_factory=dict)
    """Models of each other source in the store."""
    spread: Mapping[tuple[int, str], Mapping[str, float]] = field(default_factory=dict)
    """Standard deviation between seeds by scale and quality column, then by family (``seed_spread.ALL``: all), where
    some config has several and each of them was read (``gather``, ``with_spread``)."""

    @property
    def metrics(self) -> list[str]:
        """Quality columns, the most complete first, PSNR before the others."""
        kinds = list(METRICS)
        named = [c for c in self.table.columns if c.split(":")[0] in METRICS and ":" in c]
        filled = [c for c in named if self.table[c].notna().any()]
        return sorted(filled, key=lambda c: (kinds.index(c.split(":")[0]), -self.table[c].count()))

    @property
    def devices(self) -> list[str]:
        """Devices with a speed."""
        return sorted(self.table["device"].dropna().unique())

    @property
    def scales(self) -> list[int]:
        """Scales planned or finished."""
        return sorted(set(self.table["scale"].dropna().astype(int).tolist()) | set(self.planned))

    def metric(self, name: str | None) -> Quantity:
        """The quality asked for, or the usual one. Raises SweepError naming those there are."""
        if not self.metrics:
            raise SweepError("there is no quality in this store yet (sweep status says how far it is)")
        if name is None:
            return metric(self.metrics[0])
        column = name if ":" in name else next((m for m in self.metrics if m.startswith(f"{name}:")), name)
        if column not in self.metrics:
            raise SweepError(f"there is no metric {name!r} here (choose from {', '.join(self.metrics)})")
        return metric(column)

    def cost(self, name: str) -> Quantity:
        """The cost asked for. Raises SweepError when no model has a measurement of it."""
        axis = cost(name)
        if axis.column not in self.table or not self.table[axis.column].notna().any():
            hint = " (sweep benchmark measures it)" if axis.measured else ""
            raise SweepError(f"no model here has a measurement of {axis.label.lower()}{hint}")
        return axis


def load(store: Store, selection: Selection) -> pd.DataFrame:
    """All rows of the store for the selected sweep, backend and precision, from every source."""
    return frames.results(store, sweep=selection.sweep, backend=selection.backend, precision=selection.precision)


def gather_means(store: Store, selection: Selection, quality: bool = True) -> Results:
    """``gather`` for a chart, which shows no single trial: the database takes the means over seeds.

    Only what ``selection.metric`` needs is read, and no quality at all unless ``quality``.
    """
    metrics: list[str] | None = None
    if not quality and selection.protocol is None:
        metrics = []
    else:
        # Where no metric is selected, the most complete column of the first one is shown.
        name = selection.metric or next(iter(METRICS))
        metrics = [m for m in frames.measures(store) if m == name or m.startswith(f"{name}:")] or None
    means = seed_means.means(store, selection.sweep, selection.backend, selection.precision, metrics)
    results = gather(store, selection, means)
    if metrics and not results.metrics:
        # Only another source or device has this metric; the error names those of this one.
        return gather(
            store, selection, seed_means.means(store, selection.sweep, selection.backend, selection.precision)
        )
    return results


def with_spread(store: Store, selection: Selection, results: Results) -> Results:
    """``gather_means`` with the spread of the metric that is drawn: reads each trial, where there are several seeds."""
    if results.repeats <= 1 or not results.metrics:
        return results
    trials = frames.results(store, sweep=selection.sweep, metrics=[results.metric(selection.metric).column])
    return replace(results, spread=between_seeds(trials[trials["source"] == results.source]))


def gather(store: Store, selection: Selection | None = None, whole: pd.DataFrame | None = None) -> Results:
    """The selected results (out of ``whole``, where that was loaded before).

    Raises SweepError for a selection of something that is not there, naming what is.
    """
    selection = selection or Selection()
    whole = load(store, selection) if whole is None else whole
    if whole.empty:
        raise SweepError(f"{store.url} holds no results yet (sweep run makes them, sweep status says how far it is)")
    table, source, protocol = _one_source(whole, selection)
    for column, wanted in (("scale", selection.scales), ("family", selection.families)):
        table = _only(table, column, wanted)
    if selection.device is not None:
        _refuse_unknown("device", selection.device, table["device"].dropna().unique())
        table = table[(table["device"] == selection.device) | table["device"].isna()]
    if selection.undisturbed_only:
        table = keep_speeds(table, ~mask(table))
    spread = between_seeds(table)
    table, repeats = _average(_one_kind(table, selection.speed_protocol))
    table = with_costs(table)
    derived = bool(table["energy_j"].isna().all() and table["power_w"].notna().any())
    if derived:
        table["energy_j"] = table["power_w"] / table["fps"]
    others = {s: n for s, n in _models(whole).items() if s != source}
    return Results(table, source, protocol, _planned(store, selection, source), repeats, derived, others, spread)


def _one_source(table: pd.DataFrame, selection: Selection) -> tuple[pd.DataFrame, str, str]:
    """Rows of one source and one quality protocol; two are never mixed in one chart."""
    sources = list(table["source"].dropna().unique())
    if selection.source is not None:
        _refuse_unknown("source", selection.source, sources)
    chosen = selection.source or _usual_source(table, selection, sources)
    if chosen is None:
        raise SweepError("the store holds speeds but no finished model yet")
    table = table[table["source"] == chosen]
    protocols = table["protocol"].dropna()
    if selection.protocol is not None:
        _refuse_unknown("protocol", selection.protocol, protocols.unique())
    named = selection.protocol or (str(protocols.value_counts().index[0]) if len(protocols) else "")
    return table[(table["protocol"] == named) | table["protocol"].isna()], str(chosen), named


def _usual_source(table: pd.DataFrame, selection: Selection, sources: Sequence[str]) -> str | None:
    """The first source that has what is asked for (metric, device); the first of all where none has."""
    ordered = [*(s for s in SOURCES if s in sources), *(s for s in sources if s not in SOURCES)]

    def has(source: str) -> bool:
        mine = table[table["source"] == source]
        columns = [c for c in mine.columns if selection.metric in (c, c.split(":")[0]) and ":" in c]
        measured = selection.metric is None or any(mine[c].notna().any() for c in columns)
        return measured and (selection.device is None or bool((mine["device"] == selection.device).any()))

    return next((s for s in ordered if has(s)), ordered[0] if ordered else None)


def _models(table: pd.DataFrame) -> dict[str, int]:
    """Number of models of each source, in the order of ``SOURCES``."""
    counts = table[table["source"].notna()].groupby("source")["config"].nunique().to_dict()
    return {str(s): int(counts[s]) for s in sorted(counts, key=lambda s: (*SOURCES, s).index(s))}


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


def _one_kind(table: pd.DataFrame, protocol: str | None) -> pd.DataFrame:
    """Speeds of one protocol for each device, backend and precision: ``protocol``, or that of most configs.

    A model measured only under another protocol keeps its quality and has no speed.
    """
    if protocol is not None:
        _refuse_unknown("speed protocol", protocol, table.loc[table["fps"].notna(), "speed_protocol"].unique())
        chosen = table["speed_protocol"] == protocol
    else:
        kinds = table.loc[table["fps"].notna(), [*SPEED, "speed_protocol"]].drop_duplicates()
        if not kinds.duplicated(list(SPEED)).any():
            return table
        chosen = speed_kinds.of_most_configs(table, within=SPEED, kind=("speed_protocol",))
    return keep_speeds(table, chosen.to_numpy())


def between_seeds(table: pd.DataFrame) -> dict[tuple[int, str], dict[str, float]]:
    """Standard deviation between the trials of one config, by scale and quality column, then by family.

    Of a table of trials. A family with few repeated configs has none of its own; what is not trained has 0.
    """
    trials = table.drop_duplicates(subset="trial")
    repeated = trials[trials.duplicated(subset="config", keep=False)]
    out = {}
    for column in (c for c in repeated.columns if ":" in c):
        for scale in repeated["scale"].unique().tolist():
            some = repeated[repeated["scale"] == scale]
            groups = {seed_spread.ALL: some, **{str(family): own for family, own in some.groupby("family")
                                                if own["config"].nunique() >= OWN_SPREAD}}  # fmt: skip
            known = {name: seed_spread.pooled(of.tolist() for _, of in rows.groupby("config")[column])
                     for name, rows in groups.items()}  # fmt: skip
            by_family = {name: sigma for name, sigma in known.items() if sigma is not None}
            if by_family:
                out[scale, column] = by_family | dict.fromkeys(UNTRAINED, 0.0)
    return out


def _average(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row per config, device, backend and precision: seeds are averaged, the newest trial is named."""
    key = ["config", *SPEED]
    grouped = table.groupby(key, dropna=False, sort=False)
    rows = int(grouped.size().max()) if len(table) else 0
    repeats = int(grouped["repeats"].sum().max()) if len(table) and "repeats" in table else rows
    if rows <= 1:
        return table.assign(repeats=table.get("repeats", 1)).reset_index(drop=True), repeats
    qualities = [c for c in table.columns if ":" in c]
    means = grouped[qualities].transform("mean")
    counted = grouped["repeats"].transform("sum") if "repeats" in table else grouped["config"].transform("size")
    table = table.assign(**{c: means[c] for c in qualities}, repeats=counted)
    return table.drop_duplicates(subset=key, keep="last").reset_index(drop=True), repeats


def with_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Parameters and MACs by arithmetic; published parameter counts stay as published."""
    costs = {config: _costs(config) for config in table["config"].unique()}
    computed = table["config"].map({c: v[0] for c, v in costs.items()})
    return table.assign(
        parameters=table["parameters"].astype("float64").fillna(computed),
        macs_full_hd=table["config"].map({c: v[1] for c, v in costs.items()}),
    )


def _costs(config: str) -> tuple[float, float]:
    try:
        costs = describe(parse_id(config))
    except BadConfig:
        # A family of a user's file that is not loaded here: its results can still be drawn.
        return float("nan"), float("nan")
    return float(costs.parameters), float(costs.macs_full_hd)


def _planned(store: Store, selection: Selection, source: str) -> dict[int, frozenset[str]]:
    """The ids planned in sweeps of this source, by scale: a chart says how many are missing."""
    out: dict[int, set[str]] = {}
    for name in seed_means.planned_configs(store, source, selection.sweep):
        family, _, rest = name.partition("_s")
        scale = int(rest.split("_")[0])
        if (not selection.scales or scale in selection.scales) and (
            not selection.families or family in selection.families
        ):
            out.setdefault(scale, set()).add(name)
    return {scale: frozenset(ids) for scale, ids in out.items()}
