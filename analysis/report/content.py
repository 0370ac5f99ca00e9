"""Everything the page shows, as plain values that become JSON: models, measurements, health, recipe, hardware."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.charts import style
from analysis.compare import of_both
from analysis.reading import disturbed, measured_how
from analysis.reading.results import SOURCES, Results, gather, load
from analysis.reading.selection import Selection
from analysis.report.health import health
from analysis.report.samples import Samples
from analysis.report.training import training
from analysis.report.viewer.networks import Networks
from results_db.reading import exportable
from search_space.errors import SweepError
from search_space.metrics import COSTS, METRICS

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store

MODEL = (
    "config",
    "family",
    "scale",
    "parameters",
    "macs_full_hd",
    "trial",
    "seed",
    "steps",
    "seconds",
    "node",
    "flags",
)
POINT = ("device", "backend", "precision", "speed_protocol", "fps", "seconds_median", "seconds_iqr", "runs", "power_w",
         "energy_j", "memory_mib", "temperature_c", "cpu_percent", "disturbed", "threads", "output")  # fmt: skip


@dataclass(frozen=True)
class Content:
    """The page's data; every part is JSON-ready."""

    title: str
    made: str
    store: str
    axes: list[dict[str, Any]]
    kinds: list[dict[str, Any]]
    """The metrics of the table, each with label, unit, direction and decimals."""
    metrics: list[str]
    families: dict[str, dict[str, Any]]
    sources: list[dict[str, Any]]
    models: dict[str, list[Any]]
    """Columns; ``source`` is the place in ``sources``."""
    points: dict[str, list[Any]]
    """Columns; ``model`` is the row in ``models``. A model without a speed has no row."""
    health: dict[str, Any]
    training: dict[str, Any]
    """Loss curves by trial id, and what the sweep cost."""
    sweeps: list[dict[str, Any]]
    versions: dict[str, str]
    samples: dict[str, Any]
    networks: dict[str, Any]
    """Networks that the page itself can run (``viewer.networks``)."""
    notes: list[str]
    """What is to be known of the speeds: how many are disturbed, and the commands that measure them again."""
    exports: list[str]
    """The command that exports each model, by its row in ``models``."""

    def to_json(self) -> str:
        """Compact JSON that may stand inside a ``<script>`` element whatever the names in it are."""
        text = json.dumps(asdict(self), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def content(
    store: Store,
    selection: Selection | None = None,
    title: str = "",
    samples: Samples | None = None,
    networks: Networks | None = None,
) -> Content:
    """What the page shows of a store. A sweep without any result yet gives a page that says so.

    ``networks`` says which networks the page can run; none without it.
    """
    selection = selection or Selection()
    found = _gathered(store, selection)
    metrics = list(dict.fromkeys(m for results in found for m in results.metrics))
    models, points = _columns(found, metrics)
    families = style.in_order(models["family"])
    sweeps = [store.sweep(name) for name in selection.sweeps] or store.sweeps()
    # Pictures and networks are kept by config, of which two sweeps have two.
    one = len(selection.sweeps) < 2
    return Content(
        title=title or (" and ".join(s.name for s in sweeps) if len(sweeps) == 1 or not one else "Sweep results"),
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        store=store.url,
        axes=[{**asdict(axis), "title": axis.title} for axis in COSTS.values()],
        kinds=[asdict(kind) for kind in METRICS.values()],
        metrics=metrics,
        families={name: asdict(style.look(name)) for name in families},
        sources=[
            {"name": r.source, "protocol": r.protocol, "repeats": r.repeats, "derived_energy": r.derived_energy,
             "planned": {str(scale): len(ids) for scale, ids in r.planned.items()}}
            for r in found
        ],
        models=models,
        points=points,
        health=health(store, selection.sweeps),
        training=training(store, selection.sweeps, models["trial"]),
        sweeps=[
            {"name": s.name, "space": s.space, "source": str(s.source), "git": s.git,
             "created": s.created_at.isoformat(timespec="seconds"), "recipe": _parsed(s.recipe_json),
             "settings": json.loads(json.dumps(dict(s.settings), default=str))}
            for s in sweeps
        ],
        versions=_versions(),
        samples=(samples or Samples()).made(store, found, selection, metrics) if one else {},
        networks=networks.made(store, found, selection, metrics) if networks is not None and one else {},
        notes=disturbed.notes(dict.fromkeys(t for r in found for t in disturbed.timings(r.table)), store.url),
        exports=_exports(store, found, selection),
    )  # fmt: skip


def _exports(store: Store, found: Sequence[Results], selection: Selection) -> list[str]:
    names: Sequence[str | None] = selection.sweeps if len(selection.sweeps) == 2 else [selection.sweep] * len(found)
    out = []
    for results, name in zip(found, names, strict=True):
        trained = exportable.with_weights(store, name)
        out += [exportable.command(c, trained, store.url, name) for c in results.table["config"].drop_duplicates()]
    return out


def _gathered(store: Store, selection: Selection) -> list[Results]:
    """The results of each source there is, or of the two sweeps; none of a store that has no result yet."""
    if selection.other_sweep is not None:
        names = [store.sweep(name).name for name in selection.sweeps]
        return [replace(one, source=name) for one, name in zip(of_both(store, selection), names, strict=True)]
    whole = load(store, selection)
    there = [s for s in SOURCES if selection.source in (None, s) and (whole["source"] == s).any()]
    found, refused = [], None
    for source in there:
        try:
            found.append(gather(store, replace(selection, source=source), whole))
        except SweepError as error:
            # A device that only another source has is no reason to refuse the page.
            refused = error
    if refused is not None and not found:
        raise refused
    return found


def _columns(found: Sequence[Results], metrics: Sequence[str]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    models: dict[str, list[Any]] = {name: [] for name in ("source", *MODEL, *metrics)}
    points: dict[str, list[Any]] = {name: [] for name in ("model", *POINT)}
    for place, results in enumerate(found):
        table = results.table
        unique = table.drop_duplicates(subset="config")
        first = len(models["config"])
        models["source"] += [place] * len(unique)
        for name in (*MODEL, *metrics):
            models[name] += _values(unique[name]) if name in unique else [None] * len(unique)
        rows = dict(zip(unique["config"], range(first, first + len(unique)), strict=True))
        timed = table[table["fps"].notna()]
        points["model"] += [rows[config] for config in timed["config"]]
        for name in POINT:
            points[name] += _outputs(timed) if name == "output" else _values(timed[name])
    return models, points


def _outputs(timed: pd.DataFrame) -> list[str | None]:
    """Output sizes as stored, or as the protocol's name tells."""
    return [known or measured_how.size_of(str(protocol)) or None
            for known, protocol in zip(_values(timed["output"]), timed["speed_protocol"], strict=True)]  # fmt: skip


def _values(column: pd.Series[Any]) -> list[Any]:
    """Six significant digits are more than any chart or table shows; None for unknown."""
    return [_plain(value) for value in column.tolist()]


def _plain(value: Any) -> Any:
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")
    return value


def _parsed(recipe: str) -> Any:
    try:
        return json.loads(recipe)
    except ValueError:
        return recipe


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    out = {}
    for name in ("edge-sweep", "torch", "ray", "numpy", "plotly"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
