"""Train and measure a space, and go on with a stored sweep: the functions behind ``sweep run`` and ``sweep resume``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from results_db.store import opened
from search_space.errors import SweepError
from search_space.spaces import select
from sweep.api.arguments import DEFAULT_DB, as_text, many, recipe_of, space_of
from sweep.planning.asked import gpus_of, seeds_of
from sweep.planning.data import Data, load_data
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.stored_plan import Plan, make_plan, open_plan
from sweep.running.events import Report
from sweep.running.launch import Launch, launch
from workers.benchmark.protocols import protocol
from workers.checkpointing import CHECKPOINT_EVERY_S

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.spaces import Space
    from workers.training.recipe import Recipe


def run(
    space: str | Path | Space,
    db: str | Path | Store = DEFAULT_DB,
    *,
    data_root: str | Path | None = None,
    family: str | Sequence[str] = (),
    scale: int | Sequence[int] = (),
    where: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int | Sequence[int] | None = None,
    seeds: int | None = None,
    recipe: str | Path | Recipe = "paper",
    steps: int | None = None,
    train: str | Sequence[str] = (),
    test: str | Sequence[str] = (),
    strict: bool = False,
    name: str | None = None,
    pack_size: int | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY_S,
    executor: str = "actors",
    address: str = "local",
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float | str = "auto",
    workers: int = 0,
    max_attempts: int = 3,
    timeout: float = 0.0,
    data_via: str = "store",
    benchmark: bool = True,
    device: str | None = None,
    speed_protocol: str | None = None,
    track: str | Sequence[str] = (),
    quiet: bool = True,
) -> Report:
    """Train and measure a space. The same call again does only what is missing.

    Training comes first, then quality on test sets without measurements, then speed on this machine. Results are
    stored as they come. The first Ctrl-C stops cleanly and returns the report with ``interrupted`` set; ``resume``
    goes on.

    Args:
        space: ``demo``, ``paper``, ``extended``, a family's name, a YAML or Python file (which is run), or what
            ``load_space`` returned.
        db: Address or path of the results database (made if it is new), or an open ``Store``.
        data_root: Folder of image sets (T91, Set5, ...); None takes the embedded photographs.
        family: Only these families.
        scale: Only these scales: 2, 3, 4.
        where: A filter such as ``"C<=8 and K==3"``; also of family, scale, parameters and macs (per Full-HD frame).
        limit: The first configs, at most so many.
        sample: So many configs at random, fairly over families and scales.
        seed: Seeds of the trials, the first also of ``sample``; default 0.
        seeds: Train each config so many times: seeds 0, 1, ...
        recipe: ``smoke``, ``demo``, ``evening``, ``paper``, a ``.json`` file, or a ``Recipe``.
        steps: Training steps instead of the recipe's.
        train: Image sets to train on; default T91 and General100, or the embedded ones.
        test: Image sets to measure on; default those of the paper that are there, or the embedded ones.
        strict: Refuse a folder with an unusable file in it.
        name: The sweep's name; default from space, recipe and data.
        pack_size: Most configs trained together; 1 trains each alone. The default is 48, and a whole scale on GPUs.
        checkpoint_every: Seconds between two stored states of a trial in training; 0 stores one only when stopped.
        executor: ``actors`` (Ray Core), ``tune`` (Ray Tune) or ``inline`` (this process, without Ray).
        address: Ray cluster: ``local``, ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        cpus_per_worker: CPUs of one worker.
        gpus_per_worker: GPUs of one worker; ``auto``: one on nodes that have some, CPUs elsewhere; 0 trains on CPUs.
        workers: Workers to have, which a cluster that grows is asked for; 0 takes all there is room for.
        max_attempts: Attempts at a trial before it stays failed.
        timeout: Seconds a pack may take; 0 gives up those without progress for 20 minutes.
        data_via: How images reach workers: ``store`` (Ray's), ``path`` (each reads ``data_root``), or a folder's URL.
        benchmark: Measure speed here after training.
        device: Name under which this machine's speed is stored; default its host name.
        speed_protocol: ``fullhd14`` (the paper's), ``uhd14`` (4K) or ``qhd5`` (quick); default by the recipe's length.
        track: What is told of the sweep: ``tensorboard``, ``mlflow``, ``wandb``, each also as ``NAME=WHERE``,
            ``webhook=URL``, ``command=COMMAND``, or a plug-in of the entry point group ``edge_sweep.trackers``.
        quiet: Show no progress on stderr; what goes wrong is told there all the same.

    Returns:
        A ``Report``: trials ``done`` and ``failed`` by this call, ``again`` (tried again), ``seconds``,
        ``interrupted``.

    Raises:
        BadSpace: The space or a filter cannot be read.
        BadData: An image set is missing or unusable.
        StoreError: The database cannot be used, or holds another sweep of that name.
        SweepError: The filters leave no config, or an option has an impossible value.

    Example:
        >>> import sweep
        >>> few = {"scale": 2, "limit": 3, "recipe": "smoke", "executor": "inline", "device": "laptop"}
        >>> report = sweep.run("eSR-MAX", "sweep.db", **few)
        >>> report.done, report.failed
        (3, 0)
        >>> sweep.run("eSR-MAX", "sweep.db", **few).done  # all is done
        0
    """
    how = Launch(
        executor=executor,
        address=address,
        cpus=cpus_per_worker,
        gpus=gpus_of(gpus_per_worker),
        workers=workers,
        pack_size=pack_size,
        max_attempts=max_attempts,
        timeout=timeout,
        benchmark=benchmark,
        device=device,
        data_via=data_via,
        data_root=as_text(data_root),
        speed_protocol=speed_protocol,
        checkpoint_every=checkpoint_every,
        track=many(track),
    )
    plan, data = plan_run(
        space,
        how,
        family=many(family),
        scale=many(scale),
        where=where,
        limit=limit,
        sample=sample,
        seed=many(seed),
        seeds=seeds,
        recipe=recipe_of(recipe, steps),
        train=many(train),
        test=many(test),
        strict=strict,
        name=name,
    )
    with opened(db) as store:
        return launch(open_plan(store, plan, data), how, quiet=quiet)


def resume(
    db: str | Path | Store = DEFAULT_DB,
    *,
    name: str | None = None,
    data_root: str | Path | None = None,
    pack_size: int | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY_S,
    executor: str = "actors",
    address: str = "local",
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float | str = "auto",
    workers: int = 0,
    max_attempts: int = 3,
    timeout: float = 0.0,
    data_via: str = "store",
    benchmark: bool = True,
    device: str | None = None,
    speed_protocol: str | None = None,
    track: str | Sequence[str] = (),
    quiet: bool = True,
) -> Report:
    """Do what is missing of a stored sweep, on this machine or another; only the database is needed.

    Families of a user's own file come from the database: **that runs the stored file**.

    Args:
        db: Address or path of the results database, or an open ``Store``.
        name: A sweep's name or number; default the newest of ours.
        data_root: Where the images are now, if they moved.
        pack_size: Most configs trained together; 1 trains each alone. The default is 48, and a whole scale on GPUs.
        checkpoint_every: Seconds between two stored states of a trial in training; 0 stores one only when stopped.
        executor: ``actors``, ``tune`` or ``inline``, as for ``run``.
        address: Ray cluster: ``local``, ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        cpus_per_worker: CPUs of one worker.
        gpus_per_worker: GPUs of one worker; ``auto``: one on nodes that have some, CPUs elsewhere; 0 trains on CPUs.
        workers: Workers to have, which a cluster that grows is asked for; 0 takes all there is room for.
        max_attempts: Attempts at a trial before it stays failed.
        timeout: Seconds a pack may take; 0 gives up those without progress for 20 minutes.
        data_via: How images reach workers, as for ``run``.
        benchmark: Measure speed here after training.
        device: Name under which this machine's speed is stored; default its host name.
        speed_protocol: Default the one stored with the sweep.
        track: What is told of the sweep, as for ``run``.
        quiet: Show no progress on stderr; what goes wrong is told there all the same.

    Returns:
        A ``Report``, as of ``run``.

    Raises:
        StoreError: The database is not there, cannot be used, or holds no sweep of that name.
        BadData: The sweep's images are not where they were, nor under ``data_root``.
        SweepError: There is no sweep of ours, or none of its missing trials can be trained with what is here.

    Example:
        >>> import sweep
        >>> sweep.resume("sweep.db", executor="inline", device="laptop").done  # nothing is missing
        0
    """
    how = Launch(
        executor=executor,
        address=address,
        cpus=cpus_per_worker,
        gpus=gpus_of(gpus_per_worker),
        workers=workers,
        pack_size=pack_size,
        max_attempts=max_attempts,
        timeout=timeout,
        benchmark=benchmark,
        device=device,
        data_via=data_via,
        data_root=as_text(data_root),
        speed_protocol=speed_protocol,
        checkpoint_every=checkpoint_every,
        track=many(track),
    )
    with opened(db, make=False) as store:
        return launch(*recall(store, name, how), quiet=quiet)


def plan_run(
    space: str | Path | Space,
    how: Launch,
    *,
    family: Sequence[str],
    scale: Sequence[int],
    where: str | None,
    limit: int | None,
    sample: int | None,
    seed: Iterable[int],
    seeds: int | None,
    recipe: Recipe,
    train: tuple[str, ...],
    test: tuple[str, ...],
    strict: bool,
    name: str | None,
) -> tuple[Plan, Data]:
    """What ``run`` is asked for as a plan, and its images; the database is not looked at."""
    if how.speed_protocol is not None:
        protocol(how.speed_protocol)
    if seeds is not None and seeds < 1:
        raise SweepError(f"each config must be trained at least once, not {seeds} times")
    chosen, asked = space_of(space)
    listed = seeds_of(tuple(seed), seeds)
    configs = select(chosen.configs, family, scale, where, limit, sample, listed[0])
    data = load_data(how.data_root, train, test, strict)
    plan = make_plan(
        asked,
        configs,
        recipe,
        data,
        root=how.data_root,
        seeds=listed,
        name=name,
        pack_size=how.pack_size,
        speed_protocol=how.speed_protocol,
    )
    return plan, data


def recall(store: Store, name: str | None, how: Launch) -> tuple[OpenSweep, Launch]:
    """A stored sweep opened for work, and how to run it: with its images where ``how`` says or where they were."""
    sweep = OpenSweep.recall(store, name, how.data_root)
    return sweep, replace(how, data_root=how.data_root or sweep.settings.data.root)
