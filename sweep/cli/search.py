"""``sweep search``: the frontier of a space within a budget of trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli.options import (
    DEFAULT_DB,
    Address,
    CheckpointEvery,
    Cpus,
    Db,
    ExecutorName,
    Gpus,
    Json,
    MaxAttempts,
    RecipeName,
    Timeout,
)
from workers.checkpointing import CHECKPOINT_EVERY_S

if TYPE_CHECKING:
    from search_space import Config
    from search_space.spaces import Space
    from sweep.search.loop import Search
    from sweep.search.training import Training

MOST_LISTED = 5000
"""Candidates of one scale; a larger space is sampled down to this many."""
MOST_BENCHMARKED = 500
"""Candidates measured on this machine before the first training."""


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("search")(search)


def search(
    space: Annotated[
        str, typer.Option("--space", "-s", help="paper, extended, a family, or a YAML/Python file of any size.")
    ] = "paper",
    budget: Annotated[int, typer.Option("--budget", min=1, help="Configs to train, for each scale.")] = 40,
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
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")] = None,
    family: Annotated[list[str] | None, typer.Option("--family", help="Only this family (repeatable).")] = None,
    where: Annotated[str | None, typer.Option("--where", help='Such as "C<=8 and K==3".')] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Suggestions that train together as packs.")] = 8,
    screen: Annotated[
        bool,
        typer.Option("--screen", help="Train a quarter of the steps first; give up what cannot reach the frontier."),
    ] = False,
    db: Db = DEFAULT_DB,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Folder of image sets; default: embedded photographs.")
    ] = None,
    recipe: RecipeName = None,
    steps: Annotated[int | None, typer.Option("--steps", min=0, help="Training steps instead of the recipe's.")] = None,
    train: Annotated[list[str] | None, typer.Option("--train", help="Training set (repeatable).")] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Test set (repeatable).")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The study's name; the same name goes on.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sampler.")] = 0,
    executor: ExecutorName = "actors",
    address: Address = "local",
    cpus: Cpus = 1.0,
    gpus: Gpus = 0.0,
    max_attempts: MaxAttempts = 3,
    timeout: Timeout = 0.0,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY_S,
    benchmark_first: Annotated[
        bool,
        typer.Option(
            "--benchmark-first/--benchmark-later", help="Measure every candidate's speed here before training."
        ),
    ] = True,
    device: Annotated[str | None, typer.Option("--device", help="This machine's name; HERE stands for it.")] = None,
    import_study: Annotated[
        str | None,
        typer.Option("--import-study", metavar="URL#NAME", help="Copy an Optuna study into this database and stop."),
    ] = None,
    export_study: Annotated[
        str | None,
        typer.Option("--export-study", metavar="URL#NAME", help="Copy one of this database's studies out and stop."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the speed-quality frontier without training everything. The same command again goes on.

    Example: sweep search --space extended --scale 2 --budget 40 --data-root ~/sr --objectives psnr:Set14,fps:HERE

    Every scale has a study of its own, an ordinary Optuna study beside the database: open it with
    optuna-dashboard. What an earlier sweep trained with the same recipe and data is used and costs nothing.
    """
    if import_study or export_study:
        _copy(db, import_study, export_study)
        return
    from results_db.store import Store
    from search_space.errors import BadSpace
    from search_space.spaces import load_space
    from sweep.planning.asked import usual_recipe
    from sweep.planning.data import load_data
    from sweep.planning.settings import usual_speed_protocol
    from sweep.running.launch import Launch, disconnect
    from sweep.running.signals import EXIT_INTERRUPTED
    from sweep.search.loop import Interrupted
    from sweep.search.objectives import parse_constraint, parse_objectives
    from sweep.search.samplers import SamplerName
    from sweep.search.training import Training, check_targets
    from sweep.speed.measure_missing import device_name
    from workers.training.recipe import recipe_for

    if sampler not in list(SamplerName):
        raise BadSpace(f"unknown sampler {sampler[:40]!r} (choose from {', '.join(SamplerName)})")
    loaded = load_space(space)
    chosen = recipe_for(recipe or usual_recipe(space))
    if steps is not None:
        chosen = chosen.with_steps(steps)
    data = load_data(str(data_root) if data_root else None, tuple(train or ()), tuple(test or ()))
    here = device or device_name()
    text = objectives or f"psnr:{data.tests[0].name},fps:HERE"
    axes = parse_objectives(text.replace(":HERE", f":{here}"))
    bounds = tuple(parse_constraint(one.replace(":HERE", f":{here}")) for one in constraint or ())
    everything = tuple(dict.fromkeys((*axes, *(bound.objective for bound in bounds))))
    check_targets(everything, data)
    label = name or f"{loaded.name}-{chosen.name}-{'-'.join(map(str, axes))}"
    with Store.open(db) as store:
        training = Training(
            store,
            f"search-{label}",
            space,
            chosen,
            data,
            everything,
            Launch(
                executor,
                address,
                cpus,
                gpus,
                batch,
                max_attempts,
                timeout,
                device=here,
                checkpoint_every=checkpoint_every,
            ),
            str(data_root) if data_root else None,
            speed_protocol=usual_speed_protocol(chosen),
            quiet=as_json,
        )
        reports = []
        try:
            for one in sorted(set(scale or _scales(loaded))):
                candidates = _candidates(loaded, one, tuple(family or ()), where, seed)
                made = _search(
                    db, label, loaded, one, candidates, training, axes, bounds, SamplerName(sampler), batch, screen,
                    seed, benchmark_first, tuple(family or ()), as_json,
                )  # fmt: skip
                made.run(budget)
                reports.append(_report(made, one, len(candidates)))
                if not as_json:
                    _show(made, reports[-1])
        except Interrupted as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        finally:
            training.close()
            disconnect()
    if as_json:
        typer.echo(json.dumps({"study": label, "scales": reports}, indent=2))


def _scales(space: Space) -> set[int]:
    found: set[int] = set()
    for part in space.parts:
        found.update(dict(part.grid.axes)["scale"] if part.grid else (c.scale for c in part.configs))
    return found


def _candidates(
    space: Space, scale: int, families: tuple[str, ...], where: str | None, seed: int
) -> tuple[Config, ...]:
    from search_space.errors import BadSpace
    from search_space.spaces import ENUMERABLE, select

    if space.size <= 20 * MOST_LISTED or (space.size <= ENUMERABLE and where):
        found = select(space.configs, families, [scale], where)
    else:
        found = select(space.draw(20 * MOST_LISTED, seed), families, [scale], where)
    if not found:
        raise BadSpace(f"the filters leave no config at scale {scale}")
    return select(found, sample=MOST_LISTED, seed=seed)


def _search(
    db: str,
    label: str,
    space: Space,
    scale: int,
    candidates: tuple[Config, ...],
    training: Training,
    axes: Any,
    bounds: Any,
    sampler: Any,
    batch: int,
    screen: bool,
    seed: int,
    benchmark_first: bool,
    families: tuple[str, ...],
    quiet: bool,
) -> Search:
    """One scale's study, with speeds known and earlier results put in."""
    from search_space.errors import BadSpace
    from sweep.search.encoding import encoding
    from sweep.search.loop import Event, Search
    from sweep.search.samplers import make_sampler
    from sweep.search.studies import add_result, configs_in, open_storage, open_study

    if benchmark_first and len(candidates) <= MOST_BENCHMARKED:
        training.benchmark(candidates)
    known = training.known(candidates)
    for objective in axes:
        elsewhere = not objective.needs_training and objective.target not in ("", training.here)
        if elsewhere:
            candidates = tuple(config for config in candidates if objective in known[config])
            if not candidates:
                raise BadSpace(f"{objective}: no speeds of that device in the database (sweep import-measurements)")
    encoded = encoding(space, scale, families)
    chosen = make_sampler(sampler, encoded, candidates, axes, lambda config: known[config], bounds, seed)
    study = open_study(open_storage(db), f"{label}-x{scale}", axes, chosen)

    def tell(event: Event) -> None:
        if not quiet:
            values = ", ".join(f"{o} {v:.4g}" for o, v in zip(axes, event.values, strict=False))
            typer.echo(f"{event.state:9} {event.config.id}  {values}", err=True)

    present = configs_in(study, encoded)
    for config, facts in training.earlier(candidates).items():
        if config not in present and all(objective in facts for objective in axes):
            values = [facts[objective] for objective in axes]
            if add_result(study, encoded, config, values, bounds, facts):
                tell(Event(config, "earlier", tuple(values)))
    return Search(study, encoded, axes, candidates, training, bounds, batch, screen, seed, tell)


def _report(made: Search, scale: int, size: int) -> dict[str, Any]:
    from sweep.search.loop import frontier_of

    names = [str(objective) for objective in made.objectives]
    return {
        "scale": scale,
        "study": made.study.study_name,
        "candidates": size,
        "trained": made.spent(),
        "tried": made.tried(),
        "frontier": [
            {"config": config, **dict(zip(names, values, strict=True))} for config, values in frontier_of(made.study)
        ],
    }


def _show(made: Search, report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = [str(objective) for objective in made.objectives]
    title = f"x{report['scale']}: frontier after {report['trained']} of {report['candidates']} configs"
    table = Table("config", *names, title=title, title_justify="left", show_edge=False)
    for row in report["frontier"]:
        table.add_row(row["config"], *(f"{row[name]:.4g}" for name in names))
    Console().print(table)


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
