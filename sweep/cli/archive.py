"""``sweep archive``: set sweeps aside without deleting anything."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, SweepNames


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("archive")(archive)


def archive(
    names: SweepNames,
    undo: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Set sweeps aside: they and their results are shown only where they are named. Nothing is deleted.

    Example: sweep archive first-try
    """
    from results_db.housekeeping import archive as set_aside
    from results_db.store import Store

    with Store.open(db, make=False) as store:
        for number in [store.sweep_id(name) for name in names]:
            row = set_aside(store, number, undo)
            output.print_text(f"{row.name} is {'back' if undo else 'archived; sweep list --archived shows it'}")
