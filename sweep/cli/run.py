"""``sweep run``: plan, train, measure; the same command again does only what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Address,
    CheckpointEvery,
    Cpus,
    DataRoot,
    DataVia,
    Db,
    DeviceName,
    ExecutorName,
    Family,
    Gpus,
    Json,
    Limit,
    MaxAttempts,
    MeasureProtocol,
    PackSize,
    Quiet,
    RecipeName,
    Sample,
    Scale,
    Space,
    SpeedPhase,
    Steps,
    TestSets,
    Timeout,
    Track,
    TrainSets,
    Verbose,
    Where,
    WorkerCount,
)
from workers.checkpointing import CHECKPOINT_EVERY_S

if TYPE_CHECKING:
    from search_space.facts import TrialKey
    from sweep.planning.data import Data
    from sweep.planning.stored_plan import Plan, WallTime
    from sweep.running.launch import Launch


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("run")(run)


def run(
    space: Space,
    data_root: DataRoot = None,
    db: Db = DEFAULT_DB,
    family: Family = None,
    scale: Scale = None,
    where: Where = None,
    limit: Limit = None,
    sample: Sample = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed",
            min=-(2**63),
            max=2**63 - 1,
            help="Seed of the trials (repeatable) and of --sample; default 0.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Train each config N times: seeds from --seed (or 0) on.")
    ] = None,
    recipe: RecipeName = None,
    steps: Steps = None,
    train: TrainSets = None,
    test: TestSets = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a folder with an unusable file in it.")] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            "--name",
            help="The sweep's name; default from space, recipe and data.",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    pack_size: PackSize = None,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY_S,
    executor: ExecutorName = "actors",
    address: Address = "local",
    cpus: Cpus = 1.0,
    gpus: Gpus = "auto",
    workers: WorkerCount = 0,
    max_attempts: MaxAttempts = 3,
    timeout: Timeout = 0.0,
    data_via: DataVia = "store",
    benchmark: SpeedPhase = True,
    device: DeviceName = None,
    speed_protocol: MeasureProtocol = None,
    track: Track = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is written.")] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train and measure a space. The same command again does only what is missing.

    Example: sweep run --space demo

    Example: sweep run --space paper --data-root ~/sr --db sweep.db --address auto
    """
    from sweep.api.arguments import as_text, recipe_of
    from sweep.api.training import plan_run
    from sweep.planning.asked import gpus_of, usual_recipe
    from sweep.running.launch import Launch

    how = Launch(
        executor=executor,
        address=address,
        cpus=cpus,
        gpus=gpus_of(gpus),
        workers=workers,
        verbose=verbose,
        pack_size=pack_size,
        max_attempts=max_attempts,
        timeout=timeout,
        benchmark=benchmark,
        device=device,
        data_via=data_via,
        data_root=as_text(data_root),
        speed_protocol=speed_protocol,
        checkpoint_every=checkpoint_every,
        track=tuple(track or ()),
    )
    plan, data = plan_run(
        space,
        how,
        family=family or (),
        scale=scale or (),
        where=where,
        limit=limit,
        sample=sample,
        seed=seed or (),
        seeds=seeds,
        recipe=recipe_of(recipe or usual_recipe(space), steps),
        train=tuple(train or ()),
        test=tuple(test or ()),
        strict=strict,
        name=name,
    )
    if dry_run:
        _show_plan(plan, data, how, db, as_json)
    else:
        _run(plan, data, how, db, as_json, quiet)


def _run(plan: Plan, data: Data, how: Launch, db: str, as_json: bool, quiet: bool) -> None:
    from results_db.store import Store
    from sweep.cli.summary import end_with_summary, show
    from sweep.planning.stored_plan import finished_seconds, open_plan, without_result
    from sweep.running.launch import launch
    from sweep.running.resume_command import resume_command

    with Store.open(db) as store:
        sweep = open_plan(store, plan, data)
        if not (as_json or quiet):
            missing = without_result(store, plan)
            _print_plan(_outline(plan, data, missing, finished_seconds(store, plan), how))
        go_on = resume_command(sweep.row, how, db)
        report = launch(sweep, how, quiet=as_json or quiet, on_forced_exit=partial(show, go_on))
        end_with_summary(sweep, report, go_on, as_json)


def _show_plan(plan: Plan, data: Data, how: Launch, db: str, as_json: bool) -> None:
    """Print the plan against the database as it is; without a database all is missing. Nothing is written."""
    from sweep.planning.stored_plan import finished_seconds, open_unchanged, without_result

    missing, seconds = list(plan.keys), dict[str, float]()
    with open_unchanged(db) as store:
        if store is not None:
            missing, seconds = without_result(store, plan), finished_seconds(store, plan)
    outline = _outline(plan, data, missing, seconds, how)
    if as_json:
        output.print_json(_document(outline))
    else:
        _print_plan(outline)


@dataclass(frozen=True)
class _Outline:
    """A plan in numbers."""

    plan: Plan
    data: str
    planned: int
    done: int
    packs: int
    by_family: dict[str, dict[int, int]]
    time: WallTime

    @property
    def missing(self) -> int:
        return self.planned - self.done


def _outline(plan: Plan, data: Data, missing: list[TrialKey], seconds: dict[str, float], how: Launch) -> _Outline:
    from sweep.planning.packs import Item, packs, tally
    from sweep.planning.stored_plan import estimate

    counted = tally(plan.keys, len(plan.keys) - len(missing))
    number = len(packs([Item(i, key) for i, key in enumerate(plan.keys)], plan.settings.pack_size))
    by_family = {family: dict(scales) for family, scales in counted.by_family.items()}
    time = estimate(plan, missing, seconds, _workers(how), data)
    return _Outline(plan, _data_in_words(data), counted.planned, counted.done, number, by_family, time)


def _data_in_words(data: Data) -> str:
    tests = ", ".join(f"{images.name} ({len(images.names)})" for images in data.tests)
    return f"train on {data.train.name} ({len(data.train.names)} images), test on {tests}"


def _workers(how: Launch) -> int:
    """Workers the time is estimated for: those of this machine; a cluster's are not known before it is joined."""
    import os

    return 1 if how.executor == "inline" or how.address != "local" else max(1, int((os.cpu_count() or 1) / how.cpus))


def _document(outline: _Outline) -> dict[str, Any]:
    import json

    return {
        "sweep": outline.plan.name,
        "planned": outline.planned,
        "seeds": sorted({key.seed for key in outline.plan.keys}),
        "done": outline.done,
        "missing": outline.missing,
        "packs": outline.packs,
        "estimated_seconds": round(outline.time.seconds, 1),
        "estimated_workers": outline.time.workers,
        "estimate": outline.time.how,
        "recipe": json.loads(outline.plan.recipe.to_json()),
        "data": outline.data,
        "speed_protocol": outline.plan.settings.speed_protocol,
        "families": {
            family: {str(scale): number for scale, number in scales.items()}
            for family, scales in outline.by_family.items()
        },
        "ids": [key.config for key in outline.plan.keys],
    }


def _print_plan(outline: _Outline) -> None:
    from sweep.planning.in_words import in_words

    plan = outline.plan
    scales = sorted({scale for row in outline.by_family.values() for scale in row})
    output.print_table(
        ["family", *(f"x{scale}" for scale in scales)],
        [[family, *(str(row.get(scale, "")) for scale in scales)] for family, row in outline.by_family.items()],
        title=f"sweep {plan.name}",
        to_stderr=True,
    )
    output.note(f"{outline.data}; recipe {plan.recipe.name}: {plan.recipe.length} of {plan.recipe.batch} patches")
    output.note(
        f"{outline.planned} trials: {outline.done} done, {outline.missing} to do in at most {outline.packs} packs"
    )
    if outline.missing:
        time = outline.time
        about = "" if math.isnan(time.seconds) else "about "
        output.note(f"training takes {about}{in_words(time.seconds)} on {time.workers} worker(s), {time.how}")
