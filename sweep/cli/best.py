"""``sweep best``: the frontier that fits a budget, and the pick, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    Family,
    Json,
    Metric,
    OfBackend,
    OfPrecision,
    OneSweep,
    SourceName,
    SpeedProtocolName,
    TheDevice,
    UndisturbedOnly,
    finite,
)

if TYPE_CHECKING:
    from analysis.measures.best_in_budget import BudgetChoice
    from search_space.metrics import Quantity

TIES_SHOWN = 5


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("best")(best)


def best(
    scale: Annotated[int, typer.Option("--scale", help="2, 3 or 4.")],
    device: TheDevice = None,
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

    The frontier shown is that of the models that fit. Exit status 1 when none does. Where configs were trained with
    several seeds, "sure" is how often a model is on the frontier when qualities are drawn anew within that error.

    Example: sweep best --scale 2 --device AGX --min-fps 15 --max-watts 5 --metric psnr:Set14
    """
    from sweep.api.choosing import best as choose

    found = choose(
        db, scale=scale, device=device, metric=metric, min_fps=min_fps, max_watts=max_watts, family=family or (),
        backend=backend, precision=precision, speed_protocol=speed_protocol, source=source, sweep=sweep,
        undisturbed_only=undisturbed_only,
    )  # fmt: skip
    if as_json:
        document = {"frontier": found.frontier, "pick": found.pick, "tied_with": found.tied_with,
                    "export": found.export, "scale": scale, "device": found.device, "metric": found.metric.column,
                    "source": found.source, "other_sources": dict(found.other_sources),
                    "considered": found.choice.considered, "unknown_power": found.choice.unknown_power}  # fmt: skip
        output.print_json(document)
    else:
        where = f"x{scale} on {found.device}"
        _show(found.choice, found.metric, where, found.source, found.tied_with, found.export or "")
    for note in found.notes:
        output.warn(note)
    if found.pick is None:
        raise typer.Exit(1)


def _show(choice: BudgetChoice, metric: Quantity, where: str, source: str, tied: list[str] | None, export: str) -> None:
    from analysis.measures.best_in_budget import fact
    from analysis.reading.measured_how import ways

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
    how = ways(choice.frontier)
    place: int | None = None
    for i, row in enumerate(choice.frontier):
        facts = fact(row, metric)
        if facts["config"] == pick:
            place = len(rows)
        power, energy = ("" if facts[name] is None else f"{facts[name]:.3g}" for name in ("power_w", "energy_j"))
        parameters = "" if facts["parameters"] is None else f"{facts['parameters']:,}"
        fps, quality = f"{facts['fps']:.4g}", f"{facts[metric.name]:.{digits}f}"
        note = "disturbed" if facts["disturbed"] else ""
        mark = ">" if facts["config"] == pick else ""
        sure = "" if choice.sure is None else f"{choice.sure[i]:.0%}"
        rows.append([mark, facts["config"], fps, quality, power, energy, parameters, sure, how[i], note])
    headings = ["", "config", "frames/s", metric.title, "W", "J/frame", "params", "sure", "timed with", "note"]
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
