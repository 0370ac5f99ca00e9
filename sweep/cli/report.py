"""``sweep report``: one HTML file to send to a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.report.viewer.which import Which
from search_space.errors import SweepError
from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, SourceName, TwoSweeps, UndisturbedOnly


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(report)


def report(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="FILE.html.")],
    db: Db = DEFAULT_DB,
    sweep: TwoSweeps = None,
    undisturbed_only: UndisturbedOnly = False,
    source: SourceName = None,
    title: Annotated[str, typer.Option("--title", help="Heading; default the sweep's name.")] = "",
    image: Annotated[Path | None, typer.Option("--image", metavar="FILE", help="Picture for the sample crops.")] = None,
    crop: Annotated[str | None, typer.Option("--crop", metavar="X,Y,W,H", help="The part of it to show.")] = None,
    crops: Annotated[int, typer.Option("--crops", min=0, help="Most models with a sample crop; 0 for none.")] = 150,
    models: Annotated[
        Which, typer.Option("--models", help="Networks inside the page: those on a frontier, all, or none.")
    ] = Which.FRONTIER,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "--weights",
            "-w",
            metavar="FILE",
            help="Weights for crops and networks: files named after an id, or a folder (repeatable).",
        ),
    ] = None,
) -> None:
    """Write a self-contained page: frontier, budget, tables, health, recipe. It works offline.

    The networks of --models run on the page: on a crop that is there, or on a picture dropped onto it.

    Example: sweep report --db sweep.db --out report.html

    With two --sweep the page shows both, one at a time; sample crops are left out then.
    """
    from analysis.charts import output as files
    from analysis.reading.selection import Selection, two_sweeps
    from analysis.report.content import content
    from analysis.report.page import render
    from analysis.report.samples import Samples
    from analysis.report.viewer.networks import Networks
    from analysis.script import parse_crop
    from results_db.store import Store

    if out.suffix.lower() not in (".html", ".htm"):
        raise SweepError(f"{out}: a report is one .html file")
    first, second = two_sweeps(sweep)
    ask = Selection(
        sweep=first,
        other_sweep=second,
        source=source,
        image=image,
        crop=parse_crop(crop) if crop else None,
        weights=tuple(weights or ()),
        undisturbed_only=undisturbed_only,
    )
    with Store.open(db, readonly=True) as store:
        # It imports PyTorch, which a mistaken address need not wait for.
        from workers.export.glsl.webgl import PRELUDE, web_network

        shown = content(store, ask, title, Samples(crops), Networks(models, PRELUDE, web_network))
    page = render(shown)
    files.write(out, lambda file: file.write(page.encode()))
    output.note(str(out))
    for note in shown.notes:
        output.warn(note)
