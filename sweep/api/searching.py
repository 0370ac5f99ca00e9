"""Find the frontier of a space within a budget of trainings: the function behind ``sweep search``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from results_db.store import opened
from sweep.api.arguments import DEFAULT_DB, as_text, many, recipe_of, space_of
from sweep.planning.asked import gpus_of
from sweep.planning.data import load_data
from sweep.running.launch import Launch
from sweep.search.by_scale import ScaleReport, SearchOptions, SearchPlan, search_plan
from sweep.search.loop import Interrupted
from workers.checkpointing import CHECKPOINT_EVERY_S

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.spaces import Space
    from workers.training.recipe import Recipe


@dataclass(frozen=True)
class Searched:
    """What a search found."""

    study: str
    """The study of a scale is called this with ``-x2``, ``-x3`` or ``-x4``."""
    scales: tuple[ScaleReport, ...]
    """One report per scale that was searched to its end."""
    interrupted: bool
    """Whether Ctrl-C ended it; the same call goes on."""
    notes: tuple[str, ...] = ()
    """What to know before trusting it: how many of the speeds used are disturbed, and how to measure them again."""


def search(
    space: str | Path | Space = "paper",
    db: str | Path | Store = DEFAULT_DB,
    *,
    budget: int = 40,
    objectives: str | None = None,
    constraint: str | Sequence[str] = (),
    sampler: str = "frontier",
    scale: int | Sequence[int] = (),
    family: str | Sequence[str] = (),
    where: str | None = None,
    batch: int = 8,
    until: str | None = None,
    screen: bool = False,
    data_root: str | Path | None = None,
    recipe: str | Path | Recipe = "paper",
    steps: int | None = None,
    train: str | Sequence[str] = (),
    test: str | Sequence[str] = (),
    name: str | None = None,
    seed: int = 0,
    executor: str = "actors",
    address: str = "local",
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float | str = "auto",
    workers: int = 0,
    max_attempts: int = 3,
    timeout: float = 0.0,
    checkpoint_every: float = CHECKPOINT_EVERY_S,
    benchmark_first: bool = True,
    device: str | None = None,
    track: str | Sequence[str] = (),
    quiet: bool = True,
) -> Searched:
    """Find the speed-quality frontier without training every config. Running the call again continues.

    Each scale has its own Optuna study beside the database. Results of earlier sweeps with the same recipe and data are
    used and do not count against the budget.

    Args:
        space: ``paper``, ``extended``, a family's name, a YAML or Python file of any size (which is run), or what
            ``load_space`` returned.
        db: Address or path of the results database (made if it is new), or an open ``Store``.
        budget: Configs to train per scale.
        objectives: Such as ``"psnr:Set14,fps:RPI"`` or ``"psnr:Set5,fps:HERE,parameters"``; HERE is this machine.
            Default: PSNR on the first test set, ``fps:HERE``.
        constraint: Such as ``"fps:RPI>=30"`` (frames/s) or ``"power:AGX<=5"`` (W).
        sampler: ``frontier``, ``frontier-blind``, ``random``, ``tpe``, ``tpe-multivariate``, ``nsga2``, ``nsga3``,
            ``gp``.
        scale: Only these scales.
        family: Only these families.
        where: A filter such as ``"C<=8 and K==3"``.
        batch: Suggestions that are trained together as packs.
        until: Such as ``"0.5%"``: stop when one more training is expected to add less of the hypervolume.
        screen: Train a quarter of the steps first; prune what cannot reach the frontier.
        data_root: Folder of image sets; None takes the embedded photographs.
        recipe: ``smoke``, ``demo``, ``evening``, ``paper``, a ``.json`` file, or a ``Recipe``.
        steps: Training steps instead of the recipe's.
        train: Image sets to train on.
        test: Image sets to measure on.
        name: The study's name; the same name continues it.
        seed: Seed of the sampler.
        executor: ``actors``, ``tune`` or ``inline``, as for ``run``.
        address: Ray cluster: ``local``, ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        cpus_per_worker: CPUs of one worker.
        gpus_per_worker: GPUs of one worker; ``auto``: one on nodes that have some, CPUs elsewhere; 0 trains on CPUs.
        workers: Workers to have, which a cluster that grows is asked for; 0 takes all there is room for.
        max_attempts: Attempts at a trial before it stays failed.
        timeout: Seconds a pack may take; 0 gives up those without progress for 20 minutes.
        checkpoint_every: Seconds between two stored states of a trial in training.
        benchmark_first: Measure every candidate's speed here before training.
        device: This machine's name; HERE stands for it.
        track: What is told of the trainings, as for ``run``.
        quiet: Show no progress on stderr.

    Returns:
        ``Searched``: ``study``, ``scales`` (each with ``scale``, ``study``, ``candidates``, ``trained``, ``tried``,
        ``frontier``, ``settled``), ``interrupted`` and ``notes``.

    Raises:
        BadSpace: The space, an objective, a constraint or the sampler cannot be read, or nothing is left to search.
        BadData: An image set is missing or unusable.
        StoreError: The database or Optuna's storage beside it cannot be used.

    Example:
        >>> import sweep
        >>> few = {"scale": 2, "recipe": "smoke", "steps": 2, "executor": "inline", "benchmark_first": False}
        >>> found = sweep.search("eSR-MAX", "search.db", budget=2, objectives="psnr:embedded-test,parameters", **few)
        >>> found.scales[0].trained, found.scales[0].candidates
        (2, 48)
    """
    how = Launch(
        executor=executor,
        address=address,
        cpus=cpus_per_worker,
        gpus=gpus_of(gpus_per_worker),
        workers=workers,
        pack_size=batch,
        max_attempts=max_attempts,
        timeout=timeout,
        device=device,
        data_root=as_text(data_root),
        checkpoint_every=checkpoint_every,
        track=many(track),
    )
    options = SearchOptions(
        budget=budget,
        objectives=objectives,
        constraints=many(constraint),
        sampler=sampler,
        name=name,
        scales=many(scale),
        families=many(family),
        where=where,
        screening=screen,
        seed=seed,
        benchmark_first=benchmark_first,
        until=until,
    )
    plan = plan_search(space, how, options, recipe=recipe_of(recipe, steps), train=many(train), test=many(test))
    reports = []
    notes: list[str] = []
    with opened(db) as store:
        try:
            for report in plan.run(store, store.database.address.whole, quiet=quiet, tell=notes.append):
                reports.append(report)
        except Interrupted:
            return Searched(plan.label, tuple(reports), True)
    return Searched(plan.label, tuple(reports), False, tuple(notes))


def plan_search(
    space: str | Path | Space,
    how: Launch,
    options: SearchOptions,
    *,
    recipe: Recipe,
    train: tuple[str, ...],
    test: tuple[str, ...],
) -> SearchPlan:
    """What ``search`` is asked for as a plan; the database is not looked at."""
    chosen, asked = space_of(space)
    return search_plan(chosen, asked, recipe, load_data(how.data_root, train, test), how, options)
