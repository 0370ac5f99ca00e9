"""``sweep import-measurements``: speeds that a kit measured on a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db, Json


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import-measurements")(import_measurements)


def import_measurements(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="results.json of a kit.")],
    device: Annotated[
        str | None,
        typer.Option("--device", help="Store under this name, not the file's.", autocompletion=completion.devices),
    ] = None,
    kit: Annotated[
        Path | None, typer.Option("--kit", metavar="FILE", help="Accept only results of this kit, by its hashes.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Check a results file value by value and store its speeds. Nothing of a bad file is taken.

    Example: sweep import-measurements results.json --kit kit.zip --db sweep.db
    """
    from results_db.reading.disturbed import notes, timings
    from results_db.store import Store
    from sweep.speed.ties import mark_ties
    from workers.kit.receive import read_results

    received = read_results(file, device, kit)
    speeds = received.speeds
    with Store.open(db) as store:
        added = store.add_speeds(speeds)
        mark_ties(store, speeds)
        url = store.url
    for failure in received.failed:
        output.note(f"not measured on the board: {failure.config} ({failure.precision}): {failure.reason}")
    if as_json:
        output.print_json(
            {
                "device": speeds[0].device,
                "new": added.new,
                "same": added.same,
                "replaced": added.different,
                "disturbed": [speed.config for speed in speeds if speed.detail.get("disturbed")],
                "failed": [vars(failure) for failure in received.failed],
            },
            one_line=True,
        )
        return
    for note in notes(timings(speeds), url):
        output.warn(note)
    output.print_text(
        f"{len(speeds)} speeds of {speeds[0].device}: {added.new} new, {added.same} known, {added.different} replaced"
    )
