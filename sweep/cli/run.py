"""``sweep run``: plan, train, measure; again does only what is missing."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Timeout,
)

if TYPE_CHECKING:
    from results_db.records import Counts
    from sweep.planning.stored_plan import Guess, Plan


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("run")(run)


def run(
    space: Annotated[
        str, typer.Option("--space", "-s", help="demo, paper, extended, a family, or a YAML/Python file.")
    ],
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder of image sets (T91, Set5, ...); default: embedded photographs."),
    ] = None,
    db: Db = DEFAULT_DB,
    family: Annotated[list[str] | None, typer.Option("--family", help="Only this family (repeatable).")] = None,
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")] = None,
    where: Annotated[str | None, typer.Option("--where", help='Such as "C<=8 and K==3".')] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="The first N configs.")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=0, help="N configs, fair over families and scales.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="Seed of the trials (repeatable) and of --sample; default 0.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Train each config N times: seeds 0 to N-1.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="smoke, demo, evening, paper, or a .json file.")] = "paper",
    steps: Annotated[int | None, typer.Option("--steps", min=0, help="Training steps instead of the recipe's.")] = None,
    train: Annotated[list[str] | None, typer.Option("--train", help="Training set (repeatable).")] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Test set (repeatable).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with an unusable file in it.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="The sweep's name; default from space, recipe and data.")
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Train and measure a space. The same command again does only what is missing.

    Example: sweep run --space demo

    Example: sweep run --space paper --data-root ~/sr --db sweep.db --address auto
    """
    from results_db.store import Store
    from search_space.spaces import load_space, select
    from sweep.cli.closing import advice, say, say_how_to_go_on
    from sweep.planning import stored_plan
    from sweep.planning.data import load_data
    from sweep.running.launch import Launch, launch
    from workers.training.recipe import recipe_for

    chosen = recipe_for(recipe)
    if steps is not None:
        chosen = chosen.with_steps(steps)
    configs = select(load_space(space).configs, family or (), scale or (), where, limit, sample, (seed or [0])[0])
    data = load_data(str(data_root) if data_root else None, tuple(train or ()), tuple(test or ()), strict)
    plan = stored_plan.make_plan(
        space,
        configs,
        chosen,
        data,
        root=str(data_root) if data_root else None,
        seeds=tuple(dict.fromkeys(seed or range(seeds or 1))),
        name=name,
        pack_size=pack_size,
    )
    with Store.open(db) as store:
        if dry_run:
            found = store.trial_ids(plan.keys)
            finished = {row.id for row in store.trials(None, None) if row.state == "done"}
            missing = [key for key in plan.keys if found.get(key) not in finished]
        else:
            sweep_id = stored_plan.store_plan(store, plan, data)
            wanted_keys = set(plan.keys)
            missing = [row.key for row in store.missing(sweep_id) if row.key in wanted_keys]
        if dry_run or not as_json:
            guess = stored_plan.estimate(store, plan, missing, _workers(executor, address, cpus))
            _print_plan(plan, len(plan.keys) - len(missing), data_note(data), guess, as_json)
        if dry_run:
            return
        root = str(data_root) if data_root else None
        wanted = Launch(
            executor, address, cpus, gpus, pack_size, max_attempts, timeout, benchmark, device, data_via, root
        )
        only = frozenset(store.trial_ids(plan.keys).values())
        row = store.sweep(sweep_id)
        parting = partial(say_how_to_go_on, advice(row, wanted, db))
        report = launch(store, sweep_id, data, wanted, quiet=as_json, only=only, parting=parting)
        say(store, row, report, wanted, db, as_json, only)


def data_note(data: Any) -> str:
    """The data in a few words."""
    tests = ", ".join(f"{images.name} ({len(images.names)})" for images in data.tests)
    return f"train on {data.train.name} ({len(data.train.names)} images), test on {tests}"


def _workers(executor: str, address: str, cpus: float) -> int:
    """Workers the time is estimated for: those of this machine; a cluster's are not known before it is joined."""
    import os

    return 1 if executor == "inline" or address != "local" else max(1, int((os.cpu_count() or 1) / cpus))


def _print_plan(plan: Plan, done: int, data: str, guess: Guess, as_json: bool) -> None:
    from sweep.planning.duration import in_words
    from sweep.planning.packs import Item, packs, tally

    counted = tally(plan.keys, done)
    size = int(plan.settings["pack_size"])
    number = len(packs([Item(i, key) for i, key in enumerate(plan.keys)], size))
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "sweep": plan.name,
                    "planned": counted.planned,
                    "done": counted.done,
                    "missing": counted.missing,
                    "packs": number,
                    "estimated_seconds": round(guess.seconds, 1),
                    "estimated_workers": guess.workers,
                    "estimate": guess.how,
                    "recipe": json.loads(plan.recipe.to_json()),
                    "data": data,
                    "families": {f: {str(s): n for s, n in row.items()} for f, row in counted.by_family.items()},
                    "ids": [key.config for key in plan.keys],
                },
                indent=2,
            )
        )
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    scales = sorted({s for row in counted.by_family.values() for s in row})
    table = Table("family", *(f"x{s}" for s in scales), title=f"sweep {plan.name}", title_justify="left")
    for family, row in counted.by_family.items():
        table.add_row(family, *(str(row.get(s, "")) for s in scales))
    console.print(table)
    console.print(
        f"{data}; recipe {plan.recipe.name}: {plan.recipe.length} of {plan.recipe.batch} patches", soft_wrap=True
    )
    console.print(f"{counted.planned} trials: {counted.done} done, {counted.missing} to do in at most {number} packs")
    if counted.missing:
        console.print(
            f"training takes about {in_words(guess.seconds)} on {guess.workers} worker(s), {guess.how}",
            highlight=False,
            soft_wrap=True,
        )


def counts_dict(counts: Counts) -> dict[str, int]:
    """Counts under the names scripts rely on."""
    return {
        "planned": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "running": counts.running,
        "pending": counts.pending,
    }
