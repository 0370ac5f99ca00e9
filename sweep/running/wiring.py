"""Executors and drivers from what a command asks for."""

from __future__ import annotations

from collections.abc import Callable

from results_db.store import Store
from search_space.errors import SweepError
from search_space.user_code import loaded
from sweep.executors.core import Executor, WorkerData
from sweep.executors.image_transport import Images, carried
from sweep.planning.data import Data
from sweep.running.driver import Driver, Settings
from sweep.running.events import Notice
from workers.training.recipe import Recipe


def worker_data(data: Data, threads: int = 1, via: str = "store", root: str | None = None) -> WorkerData:
    """What travels to every worker; ``via`` is how the images do (see ``sweep.executors.image_transport``)."""
    return WorkerData(carried(Images(data.train, data.tests), via, root), tuple(loaded()), threads)


def make_executor(kind: str, data: WorkerData, address: str, cpus: float, gpus: float, most: int = 0) -> Executor:
    """An executor by name, with its cluster checked first. Raises SweepError when it cannot serve."""
    if kind == "inline":
        from sweep.executors.inline import InlineExecutor

        return InlineExecutor(data)
    if kind not in ("actors", "tune"):
        raise SweepError(f"unknown executor {kind!r} (choose from actors, tune, inline)")
    from sweep.executors import cluster

    found = cluster.connect(address)
    cluster.check(found, cpus, gpus)
    if kind == "actors":
        from sweep.executors.actors import ActorExecutor

        return ActorExecutor(data, cpus, gpus, most)
    from sweep.executors.tune import TuneExecutor

    return TuneExecutor(data, cpus, gpus)


def make_driver(
    store: Store,
    sweep_id: int,
    data: Data,
    executor: Executor,
    settings: Settings,
    listener: Callable[[Notice], None],
    only: frozenset[int] | None = None,
) -> Driver:
    """A driver for a stored sweep, with the images its workers have."""
    recipe_json = store.sweep(sweep_id).recipe_json
    basis = data.basis(Recipe.from_json(recipe_json))
    return Driver(store, sweep_id, recipe_json, basis, executor, settings, listener, only)
