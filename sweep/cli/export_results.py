"""``sweep export-results``: the results as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, OfDevice, OneSweep, SourceName, UndisturbedOnly


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("export-results")(export_results)


def export_results(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")],
    form: Annotated[
        str, typer.Option("--format", "-f", help="csv, parquet or json (default: by the file's ending).")
    ] = "",
    db: Db = DEFAULT_DB,
    sweep: OneSweep = None,
    source: SourceName = None,
    device: OfDevice = None,
    undisturbed_only: UndisturbedOnly = False,
) -> None:
    """Write every result as one flat table: a row per (config, device), a column per measurement.

    Example: sweep export-results --format csv --out results.csv --db sweep.db
    """
    from analysis.reading import disturbed
    from results_db.reading import export, frames
    from results_db.records import Source
    from results_db.store import Store
    from search_space.errors import StoreError

    chosen = form or out.suffix.lstrip(".")
    if chosen not in export.FORMATS:
        raise StoreError(f"{chosen!r} is not a format (choose --format from {', '.join(export.FORMATS)})")
    if source is not None and source not in list(Source):
        raise StoreError(f"{source!r} is not a source (choose from {', '.join(Source)})")
    with Store.open(db, readonly=True) as store:
        table = frames.results(store, sweep=sweep, source=source, device=device)
        if undisturbed_only:
            table = disturbed.keep_speeds(table, ~disturbed.mask(table))
        notes = disturbed.notes(disturbed.timings(table), store.url)
    export.write(table, out, chosen)
    output.print_text(f"{out}: {len(table)} rows, {len(table.columns)} columns")
    for note in notes:
        output.warn(note)
