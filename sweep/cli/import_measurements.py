"""``sweep import-measurements``: figures that a kit took on a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.options import DEFAULT_DB, Db, Json


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("import-measurements")(import_measurements)


def import_measurements(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="results.json of a kit.")],
    device: Annotated[str | None, typer.Option("--device", help="Store under this name, not the file's.")] = None,
    kit: Annotated[Path | None, typer.Option("--kit", help="Accept only results of this kit, by its hashes.")] = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Check a results file value by value and store its speeds. Nothing of a bad file is taken.

    Example: sweep import-measurements results.json --kit kit.zip --db sweep.db
    """
    from results_db.store import Store
    from sweep.speed.ties import mark_ties
    from workers.kit.receive import read_results

    received = read_results(file, device, kit)
    speeds = received.speeds
    with Store.open(db) as store:
        added = store.add_speeds(speeds)
        mark_ties(store, speeds)
    for one in received.failed:
        typer.echo(f"not measured on the board: {one.config} ({one.precision}): {one.reason}", err=True)
    if as_json:
        failed = [vars(one) for one in received.failed]
        typer.echo(json.dumps({"device": speeds[0].device, "new": added.new, "same": added.same,
                               "replaced": added.different, "failed": failed}))  # fmt: skip
        return
    typer.echo(
        f"{len(speeds)} speeds of {speeds[0].device}: {added.new} new, {added.same} known, {added.different} replaced"
    )
