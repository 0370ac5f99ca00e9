"""``sweep track``: put a stored sweep into a tracker."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import output
from sweep.cli.options import DEFAULT_DB, Db, Json, SweepName


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("track")(track)


def track(
    tracker: Annotated[
        str, typer.Argument(metavar="NAME[=WHERE]", help="tensorboard, mlflow, wandb, webhook=URL, command=COMMAND.")
    ],
    name: SweepName = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Tell a tracker all of a stored sweep: its trials with curves and numbers, their weights, how it ended.

    The same again adds only what is new. With --track, sweep run tells it while the sweep runs.

    Example: sweep track mlflow=mlruns --db sweep.db
    """
    from results_db.store import Store
    from sweep.planning.open_sweep import find_row
    from sweep.running.launch_options import Launch
    from sweep.running.resume_command import resume_command
    from sweep.tracking.tracking import check, track_stored

    check([tracker])
    with Store.open(db, readonly=True) as store:
        row = find_row(store, name)
        told = track_stored(store, row, tracker, resume_command(row, Launch(), db).command)
    if as_json:
        output.print_json({"sweep": row.name, "tracker": tracker.partition("=")[0], "trials": told})
    else:
        output.note(f"{tracker.partition('=')[0]} knows {told} trials of {row.name}")
