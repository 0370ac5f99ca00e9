"""``sweep resume``: go on from the database alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sweep.cli.options import (
    DEFAULT_DB,
    Address,
    Cpus,
    DataVia,
    Db,
    ExecutorName,
    Gpus,
    Json,
    MaxAttempts,
    PackSize,
    SweepName,
    Timeout,
)


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("resume")(resume)


def resume(
    name: SweepName = None,
    db: Db = DEFAULT_DB,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Where the images are now, if they moved.")
    ] = None,
    pack_size: PackSize = 48,
    executor: ExecutorName = "actors",
    address: Address = "local",
    cpus: Cpus = 1.0,
    gpus: Gpus = 0.0,
    max_attempts: MaxAttempts = 3,
    timeout: Timeout = 0.0,
    data_via: DataVia = "store",
    benchmark: Annotated[
        bool, typer.Option("--benchmark/--no-benchmark", help="Measure speed here after training.")
    ] = True,
    device: Annotated[
        str | None, typer.Option("--device", help="Name under which this machine's speed is kept.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Do what is missing of a sweep, on this machine or another; only the database is needed.

    Example: sweep resume --db sweep.db --address auto
    """
    from results_db.store import Store
    from search_space.errors import SweepError
    from sweep.cli.closing import advice, say, say_how_to_go_on
    from sweep.planning import stored_plan, test_set_names, user_families
    from sweep.planning.data import recall_data
    from sweep.planning.eligibility import why_not
    from sweep.running.launch import Launch, launch
    from workers.training.recipe import Recipe

    with Store.open(db) as store:
        row = store.sweep(name) if name else stored_plan.newest(store)
        user_families.recall(row)
        data = recall_data(row, str(data_root) if data_root else None)
        reason = why_not(data.basis(Recipe.from_json(row.recipe_json)), store.missing(row.id), row.name)
        if reason:
            raise SweepError(reason)
        test_set_names.check_names(store, data.tests)
        test_set_names.note(store, row.id, data.tests)
        root = str(data_root) if data_root else row.settings.get("data", {}).get("root")
        wanted = Launch(
            executor, address, cpus, gpus, pack_size, max_attempts, timeout, benchmark, device, data_via, root
        )
        parting = partial(say_how_to_go_on, advice(row, wanted, db))
        report = launch(store, row.id, data, wanted, quiet=as_json, parting=parting)
        say(store, row, report, wanted, db, as_json)
