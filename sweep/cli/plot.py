"""``sweep plot``: charts like the paper's from any store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Db,
    Family,
    Metric,
    OfBackend,
    OfDevice,
    OfPrecision,
    Scale,
    SourceName,
    SpeedProtocolName,
    TwoSweeps,
    UndisturbedOnly,
)

KINDS = "pareto, filters, templates, crops, compare, devices, growth"


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("plot")(plot)


def plot(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"What to draw: {KINDS}.", autocompletion=completion.charts)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="FILE.png, FILE.svg or FILE.pdf.")],
    db: Db = DEFAULT_DB,
    device: OfDevice = None,
    metric: Metric = None,
    scale: Scale = None,
    family: Family = None,
    x: Annotated[str, typer.Option("--x", help="fps, power, energy, parameters, macs or memory.")] = "fps",
    source: SourceName = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="compare: the source to compare with.", autocompletion=completion.sources),
    ] = None,
    sweep: TwoSweeps = None,
    backend: OfBackend = None,
    precision: OfPrecision = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--quality-protocol",
            "--protocol",
            help="Quality protocol; default the usual.",
            autocompletion=completion.stored_quality_protocols,
        ),
    ] = None,
    speed_protocol: SpeedProtocolName = None,
    undisturbed_only: UndisturbedOnly = False,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config", help="filters, templates, crops: the models (repeatable).", autocompletion=completion.ids
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option("--weights", "-w", metavar="FILE", help="Weights files named after an id (repeatable)."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="templates, crops: the image to use.")
    ] = None,
    crop: Annotated[str | None, typer.Option("--crop", metavar="X,Y,W,H", help="crops: the part to show.")] = None,
) -> None:
    """Draw a chart. A sweep that is not finished is drawn too, and the chart says how much of it is there.

    Example: sweep plot pareto --db sweep.db --device AGX --metric psnr:BSDS100 --out pareto.pdf

    Example: sweep plot pareto --x energy --metric lpips:Set14 --out energy.svg

    Example: sweep plot compare --sweep before --sweep after --out compare.png

    Example: sweep plot filters --config eSR-TM_s2_K5_C4 --out filters.png
    """
    from analysis.script import parse_crop
    from sweep.api.reading import plot as draw

    draw(
        kind, db, out=out, device=device, metric=metric, scale=scale or (), family=family or (), x=x, source=source,
        against=against, sweep=sweep or (), backend=backend, precision=precision, protocol=protocol,
        speed_protocol=speed_protocol, config=config or (), weights=weights or (), image=image,
        crop=parse_crop(crop) if crop else None, undisturbed_only=undisturbed_only, notice=output.warn,
    )  # fmt: skip
    output.note(str(out))
