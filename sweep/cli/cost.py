"""``sweep cost``: predict the speed of configs that were not measured, and say which to measure next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from search_space.errors import BadData
from sweep.cli.options import DEFAULT_DB, Db, Json

if TYPE_CHECKING:
    from search_space.config import Config
    from sweep.speed.cost_model import Accuracy, Prediction


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("cost")(cost)


def cost(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Configs; default a whole space.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Needed when several were measured.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", "-b", help="Of the measurements.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", "-p", help="Of the measurements.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Of the measurements.")] = None,
    space: Annotated[str, typer.Option("--space", "-s", help="Without IDs: these configs.")] = "paper",
    family: Annotated[list[str] | None, typer.Option("--family", help="Only this family (repeatable).")] = None,
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")] = None,
    where: Annotated[str | None, typer.Option("--where", help='Such as "C<=8 and K==3".')] = None,
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
    metric: Annotated[
        str | None, typer.Option("--metric", help="With --frontier: for example psnr:Set14; default the first.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="With --frontier: of this quality; default ours, if there is any.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Predict frames per second from the configs measured so far, with 90 % intervals.

    Example: sweep benchmark --sample 48 --device pi && sweep cost --device pi --scale 2

    Example: sweep benchmark --device pi $(sweep cost --device pi --suggest 12)

    Example: sweep benchmark --device pi $(sweep cost --device pi --suggest 12 --frontier --metric psnr:BSDS100)

    With --frontier the networks must have been trained (or published): quality comes from --db, speed is guessed
    with half a deviation of optimism, and what counts is the hypervolume a config would add.

    Predictions are never stored: what is in the database was measured.
    """
    from results_db.store import Store
    from search_space.spaces import load_space, select
    from sweep.planning.user_families import stored_config
    from sweep.speed.cost_model import CostModel, cross_validated
    from sweep.speed.cost_model import suggest as choose
    from sweep.speed.next_to_measure import suggest_frontier

    if not (suggest and frontier) and (frontier or metric or source):
        raise BadData("--frontier goes with --suggest N, and --metric and --source go with both")
    with Store.open(db, readonly=True) as store:
        measured = _measured(store, device, backend, precision, protocol)
        qualities = _quality(store, metric, source) if frontier else {}
    known = [stored_config(one, db) for one in measured]
    seconds = [measured[config.id] for config in known]
    configs: Sequence[Config] = [stored_config(one, db) for one in dict.fromkeys(ids or ())]
    configs = configs or load_space(space).configs
    configs = select(configs, family or (), scale or (), where)
    model = CostModel(known, seconds)
    if suggest:
        left = [config for config in configs if config.id not in measured]
        if frontier:
            fps = {config: 1 / measured[config.id] for config in known}
            picked = suggest_frontier(model, fps, left, qualities, suggest)
        else:
            picked = choose(model, left, suggest)
        typer.echo("".join(f"{config.id}\n" for config in picked), nl=False)
        return
    quality = cross_validated(known, seconds)
    predictions = model.predict(configs)
    if as_json:
        typer.echo(json.dumps({"measured": len(known), "cross_validation": vars(quality),
                               "predictions": [_row(one, measured) for one in predictions]}, indent=1))  # fmt: skip
    else:
        _table(predictions, measured, quality)


def _measured(store: object, device: str | None, backend: str | None, precision: str | None, protocol: str | None
              ) -> dict[str, float]:  # fmt: skip
    """Seconds a frame by config, of the one kind of measurement that is meant."""
    from typing import cast

    from results_db.reading.frames import results
    from results_db.store import Store

    table = results(cast(Store, store), device=device, backend=backend, precision=precision)
    table = table[table["fps"].notna()]
    if protocol is not None:
        table = table[table["speed_protocol"] == protocol]
    kinds = table[["device", "backend", "precision", "speed_protocol"]].drop_duplicates()
    if len(kinds) == 0:
        raise BadData("no such speed was measured yet: sweep benchmark --sample 48 gives the model something to learn")
    if len(kinds) > 1:
        there = "; ".join(" ".join(map(str, kind)) for kind in kinds.itertuples(index=False))
        raise BadData(f"say which measurements: --device, --backend, --precision, --protocol (there is: {there})")
    one = table.drop_duplicates("config")
    return dict(zip(one["config"], (1 / one["fps"]).astype(float), strict=True))


def _quality(store: object, metric: str | None, source: str | None) -> dict[str, float]:
    """One quality figure by config, more is better."""
    from typing import cast

    from analysis.reading.results import gather
    from analysis.reading.selection import Selection
    from results_db.store import Store

    results = gather(cast(Store, store), Selection(source=source))
    axis = results.metric(metric)
    table = results.table[results.table[axis.column].notna()].drop_duplicates("config")
    values = table[axis.column].astype(float) * (1 if axis.more_is_better else -1)
    return dict(zip(table["config"], values, strict=True))


def _row(one: Prediction, measured: dict[str, float]) -> dict[str, object]:
    low, high = one.interval
    known = measured.get(one.config)
    return {"config": one.config, "fps": 1 / one.seconds, "fps_low": 1 / high, "fps_high": 1 / low,
            "measured_fps": None if known is None else 1 / known}  # fmt: skip


def _table(predictions: Sequence[Prediction], measured: dict[str, float], quality: Accuracy) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_edge=False)
    table.add_column("config", no_wrap=True)
    for heading in ("frames/s", "90 %", "measured"):
        table.add_column(heading, justify="right")
    for one in sorted(predictions, key=lambda p: p.seconds):
        low, high = one.interval
        known = measured.get(one.config)
        table.add_row(one.config, f"{1 / one.seconds:.2f}", f"{1 / high:.2f} - {1 / low:.2f}",
                      "" if known is None else f"{1 / known:.2f}")  # fmt: skip
    console = Console()
    console.print(table)
    console.print(
        f"from {len(measured)} measured configs; cross-validated: median error {100 * quality.median_error:.1f} %, "
        f"90 % below {100 * quality.p90_error:.0f} %, rank correlation {quality.spearman:.3f}, "
        f"{100 * quality.covered:.0f} % inside their interval",
        highlight=False,
    )
