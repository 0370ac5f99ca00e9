"""``sweep search``: the frontier of a space within a budget of trainings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import (
    DEFAULT_DB,
    Address,
    CheckpointEvery,
    Cpus,
    DataRoot,
    Db,
    DeviceName,
    ExecutorName,
    Family,
    Gpus,
    Json,
    MaxAttempts,
    Quiet,
    RecipeName,
    Scale,
    Steps,
    TestSets,
    Timeout,
    Track,
    TrainSets,
    Verbose,
    WorkerCount,
)
from workers.checkpointing import CHECKPOINT_EVERY_S

if TYPE_CHECKING:
    from sweep.search.by_scale import ScaleReport


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("search")(search)


def search(
    space: Annotated[
        str,
        typer.Option(
            "--space",
            "-s",
            help="paper, extended, a family, or a YAML/Python file of any size.",
            autocompletion=completion.spaces,
        ),
    ] = "paper",
    budget: Annotated[int, typer.Option("--budget", min=1, help="Configs to train per scale.")] = 40,
    objectives: Annotated[
        str | None,
        typer.Option(
            "--objectives",
            help="Such as psnr:Set14,fps:RPI or psnr:Set5,fps:HERE,parameters. HERE is this machine. "
            "Default: psnr on the first test set, fps:HERE.",
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option("--constraint", help='Such as "fps:RPI>=30" or "power:AGX<=5" (repeatable).')
    ] = None,
    sampler: Annotated[
        str,
        typer.Option("--sampler", help="frontier, frontier-blind, random, tpe, tpe-multivariate, nsga2, nsga3, gp."),
    ] = "frontier",
    scale: Scale = None,
    family: Family = None,
    where: Annotated[str | None, typer.Option("--where", help='Such as "C<=8 and K==3".')] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Suggestions that are trained together as packs.")] = 8,
    until: Annotated[
        str | None,
        typer.Option("--until", help="Stop earlier when one more training is expected to add less, such as 0.5%."),
    ] = None,
    resume_from: Annotated[
        str | None,
        typer.Option(
            "--resume-from",
            metavar="ZOO|DB",
            help="Start with the results of a zoo (folder or web address) or of another results database, "
            "as far as they have this search's recipe and training images.",
        ),
    ] = None,
    screen: Annotated[
        bool,
        typer.Option("--screen", help="Train a quarter of the steps first; prune what cannot reach the frontier."),
    ] = False,
    db: Db = DEFAULT_DB,
    data_root: DataRoot = None,
    recipe: RecipeName = None,
    steps: Steps = None,
    train: TrainSets = None,
    test: TestSets = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            "--name",
            help="The study's name; the same name continues it.",
            autocompletion=completion.studies,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sampler.")] = 0,
    executor: ExecutorName = "actors",
    address: Address = "local",
    cpus: Cpus = 1.0,
    gpus: Gpus = "auto",
    workers: WorkerCount = 0,
    max_attempts: MaxAttempts = 3,
    timeout: Timeout = 0.0,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY_S,
    benchmark_first: Annotated[
        bool,
        typer.Option(
            "--benchmark-first/--benchmark-later", help="Measure every candidate's speed here before training."
        ),
    ] = True,
    device: DeviceName = None,
    track: Track = None,
    import_study: Annotated[
        str | None,
        typer.Option("--import-study", metavar="URL#NAME", help="Copy an Optuna study into this database and stop."),
    ] = None,
    export_study: Annotated[
        str | None,
        typer.Option("--export-study", metavar="URL#NAME", help="Copy one of this database's studies out and stop."),
    ] = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find the speed-quality frontier without training every config. Running the command again continues.

    Example: sweep search --space extended --scale 2 --budget 40 --data-root ~/sr --objectives psnr:Set14,fps:HERE

    Each scale has its own Optuna study beside the database, which optuna-dashboard opens. Results of earlier
    sweeps with the same recipe and data are used and do not count against the budget. How many of the speeds it used
    are disturbed is said at the end.
    """
    if import_study or export_study:
        _copy(db, import_study, export_study)
        return
    from results_db.store import Store
    from sweep.api.arguments import recipe_of
    from sweep.api.searching import plan_search
    from sweep.planning.asked import gpus_of, usual_recipe
    from sweep.running.launch import Launch
    from sweep.running.signals import EXIT_INTERRUPTED
    from sweep.search.by_scale import SearchOptions
    from sweep.search.loop import Interrupted, SearchEvent
    from sweep.search.objectives import Objective

    launch = Launch(
        executor=executor,
        address=address,
        cpus=cpus,
        gpus=gpus_of(gpus),
        workers=workers,
        verbose=verbose,
        pack_size=batch,
        max_attempts=max_attempts,
        timeout=timeout,
        device=device,
        data_root=str(data_root) if data_root else None,
        checkpoint_every=checkpoint_every,
        track=tuple(track or ()),
    )
    options = SearchOptions(
        budget=budget,
        objectives=objectives,
        constraints=tuple(constraint or ()),
        sampler=sampler,
        name=name,
        scales=tuple(scale or ()),
        families=tuple(family or ()),
        where=where,
        screening=screen,
        seed=seed,
        benchmark_first=benchmark_first,
        until=until,
    )
    chosen = recipe_of(recipe or usual_recipe(space), steps)
    plan = plan_search(space, launch, options, recipe=chosen, train=tuple(train or ()), test=tuple(test or ()))

    def show_event(event: SearchEvent, axes: tuple[Objective, ...]) -> None:
        if not as_json:
            values = ", ".join(f"{o} {v:.4g}" for o, v in zip(axes, event.values, strict=False))
            typer.echo(f"{event.state:9} {event.config.id}  {values}", err=True)

    reports = []
    notes: list[str] = []
    with Store.open(db) as store:
        if resume_from:
            from sweep.zoo.warm_start import take

            usable = take(store, resume_from, plan.comparable)
            typer.echo(f"{resume_from}: {usable} results can be used by this search", err=True)
        try:
            quiet = as_json or quiet
            found = plan.run(
                store, db, quiet=quiet, on_forced_exit=_say_stopped, listener=show_event, tell=notes.append
            )
            for report in found:
                reports.append(report)
                if not as_json:
                    _show(report, [str(objective) for objective in plan.objectives], plan.until)
        except Interrupted as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps({"study": plan.label, "scales": [vars(report) for report in reports]}, indent=2))
    for note in notes:
        output.warn(note)


def _say_stopped() -> None:
    from sweep.search.training import STOPPED

    typer.echo(STOPPED, err=True)


def _show(report: ScaleReport, names: list[str], until: float) -> None:
    title = f"x{report.scale}: frontier after {report.trained} of {report.candidates} configs"
    if report.settled:
        title += f"; one more is expected to add less than {until:.2%} of the hypervolume"
    rows = [
        [row["config"], *(f"{row[name]:.4g}" for name in names), "disturbed" if row["disturbed"] else ""]
        for row in report.frontier
    ]
    output.print_table(["config", *names, "note"], rows, title=title, hide_empty=True)


def _copy(db: str, source: str | None, target: str | None) -> None:
    """``URL#NAME`` into this database's studies, or out of them."""
    from search_space.errors import SweepError
    from sweep.search.studies import copy_study, open_storage, storage_url

    url, _, name = (source or target or "").rpartition("#")
    if not url or not name:
        raise SweepError("write URL#NAME, for example sqlite:///other.db#my-study")
    if source:
        typer.echo(copy_study(url, name, open_storage(db)), err=True)
    else:
        open_storage(db)
        typer.echo(copy_study(storage_url(db), name, url if "://" in url else f"sqlite:///{url}"), err=True)
