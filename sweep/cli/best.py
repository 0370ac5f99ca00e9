"""``sweep best``: the frontier that fits a budget, and the pick, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_space.errors import SweepError
from sweep.cli import output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    Family,
    Json,
    Metric,
    OfBackend,
    OfDevice,
    OfPrecision,
    OneSweep,
    SourceName,
    SpeedProtocolName,
    UndisturbedOnly,
    finite,
)

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
    device: OfDevice = None,
    metric: Metric = None,
    min_fps: Annotated[
        float | None, typer.Option("--min-fps", callback=finite, help="At least this many frames/s.")
    ] = None,
    max_watts: Annotated[
        float | None, typer.Option("--max-watts", callback=finite, help="At most this many W.")
    ] = None,
    db: Db = DEFAULT_DB,
    family: Family = None,
    backend: OfBackend = None,
    precision: OfPrecision = None,
    speed_protocol: SpeedProtocolName = None,
    source: SourceName = None,
    sweep: OneSweep = None,
    undisturbed_only: UndisturbedOnly = False,
    as_json: Json = False,
) -> None:
    """Name the model to ship: of all that fit the budget, the one with the best quality.

    The frontier shown is that of the models that fit. Exit status 1 when none does.

    Example: sweep best --scale 2 --device AGX --min-fps 15 --max-watts 5 --metric psnr:Set14
    """
    from dataclasses import replace

    from analysis.measures.best_in_budget import choose, fact
    from analysis.reading.measured_how import notices
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection
    from results_db.reading import exportable
    from results_db.store import Store

    ask = Selection(sweep=sweep, source=source, device=device, backend=backend, precision=precision, scales=(scale,),
              families=tuple(family or ()), speed_protocol=speed_protocol, metric=metric,
              undisturbed_only=undisturbed_only)  # fmt: skip
    with Store.open(db, readonly=True) as store:
        results = gather(store, ask)
        quality = results.metric(metric)
        device = device or _only_device(results)
        table = results.table[results.table["device"] == device]
        choice = choose(table, quality, min_fps, max_watts)
        tied = _tied(store, choice.pick, set(table["config"]))
        notes = notices(replace(results, table=table), store.url)
        pick = None if choice.pick is None else str(choice.pick["config"])
        export = exportable.command(pick, exportable.with_weights(store, sweep), store.url, sweep) if pick else ""
    if as_json:
        rows = [fact(row, quality) for row in choice.frontier]
        document = {"frontier": rows, "pick": pick, "tied_with": tied, "export": export or None,
                    "scale": scale, "device": device,
                    "metric": quality.column, "source": results.source, "considered": choice.considered,
                    "unknown_power": choice.unknown_power, "other_sources": dict(results.others)}  # fmt: skip
        output.print_json(document)
    else:
        _show(choice, quality, f"x{scale} on {device}", results.source, tied, export)
    for note in notes:
        output.warn(note)
    if pick is None:
        raise typer.Exit(1)


def _tied(store: Store, pick: Mapping[str, Any] | None, others: set[str]) -> list[str] | None:
    """Which of the ``others`` cannot be told from the pick by their speed; None where that is not known."""
    if pick is None:
        return None
    kind = [pick[name] for name in ("config", "device", "backend", "precision", "speed_protocol")]
    if not all(isinstance(value, str) for value in kind) or pick["speed_source"] != "ours":
        return None
    ties = [speed.detail.get("tied_with") for speed in store.speeds(*kind)]
    return None if not ties or ties[0] is None else [config for config in ties[0] if config in others]


def _only_device(results: Results) -> str:
    if len(results.devices) == 1:
        return results.devices[0]
    if not results.devices:
        raise SweepError("no speed was measured yet: sweep benchmark does it")
    raise SweepError(f"speed belongs to a device: choose one with --device ({', '.join(results.devices)})")


def _show(choice: BudgetChoice, metric: Quantity, where: str, source: str, tied: list[str] | None, export: str) -> None:
    from analysis.measures.best_in_budget import fact

    if choice.unknown_power:
        output.print_text(f"{choice.unknown_power} models are left out: their power is not known")
    if choice.pick is None:
        output.print_text(
            f"none of {choice.considered} models for {where} fits: ask for less speed or allow more power"
        )
        return
    digits = 2 if metric.unit == "dB" else 4
    pick = choice.pick["config"]
    rows: list[list[str]] = []
    place: int | None = None
    for row in choice.frontier:
        facts = fact(row, metric)
        if facts["config"] == pick:
            place = len(rows)
        power, energy = ("" if facts[name] is None else f"{facts[name]:.3g}" for name in ("power_w", "energy_j"))
        parameters = "" if facts["parameters"] is None else f"{facts['parameters']:,}"
        fps, quality = f"{facts['fps']:.4g}", f"{facts[metric.name]:.{digits}f}"
        note = "disturbed" if facts["disturbed"] else ""
        mark = ">" if facts["config"] == pick else ""
        rows.append([mark, facts["config"], fps, quality, power, energy, parameters, note])
    headings = ["", "config", "frames/s", metric.title, "W", "J/frame", "params", "note"]
    title = f"Frontier of what fits, {where} ({source} measurements)"
    output.print_table(headings, rows, title=title, left=2, bold=place, hide_empty=True)
    _terminal_chart(choice, metric, output.stdout().width)
    if tied:
        some = ", ".join(tied[:TIES_SHOWN]) + (f" and {len(tied) - TIES_SHOWN} more" if len(tied) > TIES_SHOWN else "")
        output.print_text(f"no faster and no slower than the pick, as far as measuring can tell: {some}")
    output.print_text(f"pick: {pick}   {export}")


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
    output.print_text(plotext.uncolorize(str(figure.build())))
