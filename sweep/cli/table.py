"""``sweep table``: the best models, for a README, a paper or a spreadsheet."""

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


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("table")(table)


def table(
    form: Annotated[str, typer.Option("--format", "-f", help="md, latex or csv.")] = "md",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default the terminal.")] = None,
    db: Db = DEFAULT_DB,
    device: OfDevice = None,
    metric: Metric = None,
    scale: Scale = None,
    family: Family = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--test-set",
            "--set",
            help="Test set to show (repeatable); default all.",
            autocompletion=completion.stored_test_sets,
        ),
    ] = None,
    source: SourceName = None,
    sweep: TwoSweeps = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="What the second of two --sweep changed against the first.")
    ] = False,
    backend: OfBackend = None,
    precision: OfPrecision = None,
    speed_protocol: SpeedProtocolName = None,
    undisturbed_only: UndisturbedOnly = False,
) -> None:
    """Per family and scale the fastest, the best and the knee, with parameters, frames/s, W, PSNR and SSIM.

    The knee is the model of the family's own frontier furthest above the line between its ends.

    Example: sweep table --format latex --device AGX --test-set Set5 --test-set Set14 --out table.tex

    Example: sweep table --compare --sweep before --sweep after
    """
    from analysis.charts import output as files
    from analysis.compare_table import compared
    from analysis.reading.measured_how import notices
    from analysis.reading.results import gather
    from analysis.reading.selection import Selection, two_sweeps
    from analysis.table import best_models, render
    from results_db.store import Store

    first, second = two_sweeps(sweep)
    ask = Selection(
        sweep=first,
        other_sweep=second,
        source=source,
        device=device,
        backend=backend,
        precision=precision,
        scales=tuple(scale or ()),
        families=tuple(family or ()),
        speed_protocol=speed_protocol,
        metric=metric,
        undisturbed_only=undisturbed_only,
    )
    with Store.open(db, readonly=True) as store:
        if compare or second is not None:
            chosen, notes = compared(store, ask), []
        else:
            results = gather(store, ask)
            chosen = best_models(results, results.metric(metric), tuple(dataset or ()))
            notes = notices(results, store.url)
    text = render(chosen, form)
    if out is None:
        typer.echo(text, nl=False)
    else:
        files.write(out, lambda file: file.write(text.encode()))
        output.note(str(out))
    for note in notes:
        output.warn(note)
