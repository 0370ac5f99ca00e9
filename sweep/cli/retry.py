"""``sweep retry``: make failed trials pending again."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import DEFAULT_DB, Db, Json, SweepName


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("retry")(retry)


def retry(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Configs whose failed trials to retry.", autocompletion=completion.ids),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All failed trials.")] = False,
    failure: Annotated[
        str | None,
        typer.Option("--class", help="Those of one class: oom, divergence, worker-lost, timeout, bad-data, bug."),
    ] = None,
    name: SweepName = None,
    db: Db = DEFAULT_DB,
    as_json: Json = False,
) -> None:
    """Make failed trials pending again; `sweep resume` then runs them. An id means all its seeds.

    Exit status 1 when one of the ids has nothing to try again.

    Example: sweep retry --class oom && sweep resume
    """
    from results_db.store import Store
    from search_space.errors import SweepError
    from search_space.facts import Failure
    from sweep.planning.open_sweep import find_row
    from sweep.running.launch_options import Launch
    from sweep.running.resume_command import resume_command

    if not (ids or failed or failure):
        raise SweepError("say which: --failed, --class CLASS, or config ids")
    try:
        kind = Failure(failure) if failure else None
    except ValueError:
        raise SweepError(f"unknown failure class {failure!r} (choose from {', '.join(Failure)})") from None
    with Store.open(db, make=False) as store:
        row = find_row(store, name)
        chosen = None
        if ids:
            trials = [trial for trial in store.trials(row.id) if trial.key.config in set(ids)]
            unknown = [config for config in ids if config not in {trial.key.config for trial in trials}]
            if unknown:
                raise SweepError(f"{unknown[0]} is not in sweep {row.name}")
            # All seeds of a config, and its trials of other images or code if the sweep has those too.
            chosen = [trial.id for trial in trials]
        again = store.retry(chosen, kind, row.id)
        names = [store.config_of(trial) for trial in again]
    which = f"failed trial of class {kind}" if kind else "failed trial"
    without = [config for config in dict.fromkeys(ids or ()) if config not in names]
    if as_json:
        output.print_json({"sweep": row.name, "pending": names, "without": without}, one_line=True)
    elif again:
        go_on = resume_command(row, Launch(), db)
        output.print_text(f"{len(again)} trials of {row.name} are pending again; run `{go_on.command}`")
        if go_on.note:
            output.note(f"({go_on.note})")
    elif not ids:
        output.print_text(f"{row.name} has no {which}: nothing to try again")
    for config in without:
        output.note(f"{config} has no {which} in {row.name}: nothing to try again")
    if without:
        raise typer.Exit(1)
