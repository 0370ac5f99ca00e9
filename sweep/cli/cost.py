"""``sweep cost``: predict the speed of configs that were not measured, and say which to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from search_space.errors import BadData
from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    Family,
    Ids,
    Json,
    Metric,
    OfBackend,
    OfPrecision,
    Scale,
    SourceName,
    Space,
    TheDevice,
    UndisturbedOnly,
    Where,
)

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store
    from search_space.config import Config
    from sweep.speed.cost_model import Accuracy, Prediction


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("cost")(cost)


def cost(
    ids: Ids = None,
    device: TheDevice = None,
    backend: OfBackend = None,
    precision: OfPrecision = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--speed-protocol",
            "--protocol",
            help="Only speeds of this protocol; default that of most models.",
            autocompletion=completion.speed_protocols,
        ),
    ] = None,
    space: Space = "paper",
    family: Family = None,
    scale: Scale = None,
    where: Where = None,
    suggest: Annotated[
        int, typer.Option("--suggest", min=0, help="Print N ids that would teach the model most, nothing else.")
    ] = 0,
    frontier: Annotated[
        bool,
        typer.Option(
            "--frontier",
            help="With --suggest: the ids that would add most to the speed-quality frontier of their scale instead.",
        ),
    ] = False,
    metric: Metric = None,
    source: SourceName = None,
    undisturbed_only: UndisturbedOnly = False,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Predict frames per second from the configs measured so far, with 90 % intervals.

    Example: sweep cost --device pi --scale 2

    Example: sweep benchmark --device pi $(sweep cost --device pi --suggest 12)

    Example: sweep benchmark --device pi $(sweep cost --device pi --suggest 12 --frontier --metric psnr:BSDS100)

    With --frontier the networks must have been trained (or published): quality comes from --db (--metric and --source
    choose it), speed is predicted half a standard deviation on the fast side, and configs are ranked by the
    hypervolume they would add.

    Predictions are never stored: what is in the database was measured. How many of the measured speeds are disturbed
    is said at the end.
    """
    from analysis.reading import disturbed
    from results_db.store import Store
    from search_space.spaces import load_space, select
    from sweep.planning.user_families import stored_configs
    from sweep.speed.cost_model import CostModel, cross_validated
    from sweep.speed.cost_model import suggest as most_informative
    from sweep.speed.next_to_measure import suggest_frontier

    if not (suggest and frontier) and (frontier or metric or source):
        raise BadData("--frontier goes with --suggest N, and --metric and --source go with both")
    with Store.open(db, readonly=True) as store:
        table = _measured(store, device, backend, precision, protocol, undisturbed_only)
        notes = disturbed.notes(disturbed.timings(table), store.url)
        qualities = _qualities(store, metric, source) if frontier else {}
    seconds = dict(zip(table["config"], (1 / table["fps"]).astype(float), strict=True))
    measured = stored_configs(seconds, db)
    configs: Sequence[Config] = stored_configs(ids or (), db) or load_space(space).configs
    configs = select(configs, family or (), scale or (), where)
    model = CostModel(measured, [seconds[config.id] for config in measured])
    if suggest:
        left = [config for config in configs if config.id not in seconds]
        if frontier:
            fps = {config: 1 / seconds[config.id] for config in measured}
            picked = suggest_frontier(model, fps, left, qualities, suggest)
        else:
            picked = most_informative(model, left, suggest)
        output.print_lines(config.id for config in picked)
    else:
        accuracy = cross_validated(measured, [seconds[config.id] for config in measured])
        predictions = model.predict(configs)
        if as_json:
            noisy = int(disturbed.mask(table).sum())
            rows = [_row(prediction, seconds) for prediction in predictions]
            counts = {"measured": len(measured), "disturbed": noisy}
            output.print_json({**counts, "cross_validation": vars(accuracy), "predictions": rows})
        else:
            _table(predictions, seconds, accuracy)
    for note in notes:
        output.warn(note)


def _measured(
    store: Store,
    device: str | None,
    backend: str | None,
    precision: str | None,
    protocol: str | None,
    undisturbed_only: bool,
) -> pd.DataFrame:
    """A row per config with a speed, of one device and one kind of speed: the kind of most configs, as everywhere."""
    from analysis.reading import disturbed
    from results_db.reading.frames import results
    from results_db.reading.speed_kinds import KIND, of_most_configs

    table = results(store, device=device, backend=backend, precision=precision)
    table = table[table["fps"].notna()]
    if undisturbed_only:
        table = table[~disturbed.mask(table)]
    if protocol is not None:
        table = table[table["speed_protocol"] == protocol]
    devices = sorted(table["device"].unique())
    if not devices:
        typed = f"`sweep benchmark --sample 48 --db {quote(store.url)}`"
        raise BadData(f"no such speed was measured yet: {typed} gives the model something to learn")
    if len(devices) > 1:
        raise BadData(f"speed belongs to a device: choose one with --device ({', '.join(devices)})")
    chosen = table[of_most_configs(table)].drop_duplicates("config")
    if len(table[list(KIND)].drop_duplicates()) > 1:
        output.note(f"speeds of {' '.join(chosen.iloc[0][list(KIND)])}, the kind of most configs")
    return chosen


def _qualities(store: Store, metric: str | None, source: str | None) -> dict[str, float]:
    """One quality measurement by config; more is better."""
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection

    results = gather(store, Selection(source=source))
    axis = results.metric(metric)
    table = results.table[results.table[axis.column].notna()].drop_duplicates("config")
    values = table[axis.column].astype(float) * (1 if axis.more_is_better else -1)
    return dict(zip(table["config"], values, strict=True))


def _row(prediction: Prediction, seconds: dict[str, float]) -> dict[str, object]:
    low, high = prediction.interval
    measured = seconds.get(prediction.config)
    return {
        "config": prediction.config,
        "fps": 1 / prediction.seconds,
        "fps_low": 1 / high,
        "fps_high": 1 / low,
        "measured_fps": None if measured is None else 1 / measured,
    }


def _table(predictions: Sequence[Prediction], seconds: dict[str, float], accuracy: Accuracy) -> None:
    rows = []
    for prediction in sorted(predictions, key=lambda prediction: prediction.seconds):
        low, high = prediction.interval
        measured = seconds.get(prediction.config)
        interval = f"{1 / high:.2f} - {1 / low:.2f}"
        rows.append(
            [
                prediction.config,
                f"{1 / prediction.seconds:.2f}",
                interval,
                "" if measured is None else f"{1 / measured:.2f}",
            ]
        )
    output.print_table(["config", "frames/s", "90 %", "measured"], rows)
    output.print_text(
        f"from {len(seconds)} measured configs; cross-validated: median error {100 * accuracy.median_error:.1f} %, "
        f"90 % below {100 * accuracy.p90_error:.0f} %, rank correlation {accuracy.spearman:.3f}, "
        f"{100 * accuracy.covered:.0f} % inside their interval"
    )
