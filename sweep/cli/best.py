"""``sweep best``: the frontier that fits a budget, and the pick, on the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import SweepError
from sweep.cli.options import DEFAULT_DB, Db, Json, SpeedProtocolName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.measures.best_in_budget import BudgetChoice
    from analysis.reading.results import Results
    from results_db.store import Store
    from search_space.metrics import Quantity

TIES_SHOWN = 5


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("best")(best)


def best(
    scale: Annotated[int, typer.Option("--scale", help="2, 3 or 4.")],
    device: Annotated[str | None, typer.Option("--device", help="Needed when there is more than one.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="For example psnr:Set14; default the first.")] = None,
    min_fps: Annotated[float | None, typer.Option("--min-fps", help="At least so many frames/s.")] = None,
    max_watts: Annotated[float | None, typer.Option("--max-watts", help="At most so many W.")] = None,
    db: Db = DEFAULT_DB,
    family: Annotated[list[str] | None, typer.Option("--family", help="Repeatable; default all.")] = None,
    backend: Annotated[str | None, typer.Option("--backend", help="Only speeds of this backend.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="Only speeds of this precision.")] = None,
    speed_protocol: SpeedProtocolName = None,
    source: Annotated[str | None, typer.Option("--source", help="ours, re-evaluated or published.")] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", "--name", help="One sweep; default all of the source.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Name the model to ship: of all that fit the budget, the one with the best quality.

    The frontier shown is that of the models that fit. Exit status 1 when none does.

    Example: sweep best --scale 2 --device AGX --min-fps 15 --max-watts 5 --metric psnr:Set14
    """
    from analysis.measures.best_in_budget import choose, fact
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection
    from results_db.store import Store

    ask = Selection(sweep=sweep, source=source, device=device, backend=backend, precision=precision, scales=(scale,),
              families=tuple(family or ()), speed_protocol=speed_protocol)  # fmt: skip
    with Store.open(db, readonly=True) as store:
        results = gather(store, ask)
        quality = results.metric(metric)
        where = _device(results, device)
        table = results.table[results.table["device"] == where]
        choice = choose(table, quality, min_fps, max_watts)
        tied = _tied(store, choice.pick, set(table["config"]))
    pick = None if choice.pick is None else str(choice.pick["config"])
    if as_json:
        rows = [fact(row, quality) for row in choice.frontier]
        document = {"frontier": rows, "pick": pick, "tied_with": tied, "scale": scale, "device": where,
                    "metric": quality.column, "source": results.source, "considered": choice.considered,
                    "unknown_power": choice.unknown_power}  # fmt: skip
        typer.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        _show(choice, quality, f"x{scale} on {where}", results.source, tied)
    if pick is None:
        raise typer.Exit(1)


def _tied(store: Store, pick: Mapping[str, Any] | None, others: set[str]) -> list[str] | None:
    """Which of the ``others`` are as fast as the pick, as far as measuring can tell; None where that is not known."""
    if pick is None:
        return None
    kind = [pick[name] for name in ("config", "device", "backend", "precision", "speed_protocol")]
    if not all(isinstance(value, str) for value in kind) or pick["speed_source"] != "ours":
        return None
    found = [one.detail.get("tied_with") for one in store.speeds(*kind)]
    return None if not found or found[0] is None else [one for one in found[0] if one in others]


def _device(results: Results, asked: str | None) -> str:
    if asked is not None:
        return asked
    if len(results.devices) == 1:
        return results.devices[0]
    if not results.devices:
        raise SweepError("no speed was measured yet: sweep benchmark does it")
    raise SweepError(f"speed belongs to a device: choose one with --device ({', '.join(results.devices)})")


def _show(choice: BudgetChoice, metric: Quantity, where: str, source: str, tied: list[str] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from analysis.measures.best_in_budget import fact

    console = Console()
    if choice.unknown_power:
        console.print(f"{choice.unknown_power} models are left out: their power is not known", style="yellow")
    if choice.pick is None:
        console.print(f"none of {choice.considered} models for {where} fits: ask for less speed or allow more power")
        return
    table = Table(title=f"Frontier of what fits, {where} ({source} figures)")
    table.add_column("")
    for name in ("config", "frames/s", metric.title, "W", "J a frame", "params"):
        table.add_column(name, justify="left" if name == "config" else "right", no_wrap=name == "config")
    digits = 2 if metric.unit == "dB" else 4
    for row in choice.frontier:
        one = fact(row, metric)
        mine = one["config"] == choice.pick["config"]
        cells = [f"{one['fps']:.4g}", f"{one[metric.name]:.{digits}f}"]
        cells += ["" if one[k] is None else f"{one[k]:.3g}" for k in ("power_w", "energy_j")]
        cells.append("" if one["parameters"] is None else f"{one['parameters']:,}")
        table.add_row(">" if mine else "", one["config"], *cells, style="bold" if mine else None)
    console.print(table)
    _terminal_chart(choice, metric, console.width)
    if tied:
        some = ", ".join(tied[:TIES_SHOWN]) + (f" and {len(tied) - TIES_SHOWN} more" if len(tied) > TIES_SHOWN else "")
        console.print(f"no faster and no slower than the pick, as far as measuring can tell: {some}", highlight=False)
    config = choice.pick["config"]
    console.print(f"pick: [bold]{config}[/bold]   sweep export {config} --format onnx --out {config}.onnx")


def _terminal_chart(choice: BudgetChoice, metric: Quantity, width: int) -> None:
    """The frontier as characters; plotext reads the terminal's size itself when asked for too much."""
    import plotext

    x = [row["fps"] for row in choice.frontier]
    y = [row[metric.column] for row in choice.frontier]
    assert choice.pick is not None
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, 76), 16)
    if len(x) > 1 and max(x) / min(x) > 1.5:
        figure.ruler("x").scale("log")
    figure.draw(figure.signal(x, y, marker="o"))
    figure.draw(figure.signal([choice.pick["fps"]], [choice.pick[metric.column]], marker="X"))
    figure.label("frames/s (X: the pick)", "x")
    figure.label(metric.title, "y")
    typer.echo(plotext.uncolorize(str(figure.build())))
