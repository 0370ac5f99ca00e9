"""A sweep so small that a driver test takes a second: six one-layer nets, a few steps, one tiny image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from results_db.store import Store
from search_space.config import Config
from search_space.facts import Checkpoint, Failure
from search_space.spaces import load_space, select
from sweep.executors import by_name
from sweep.executors.core import Executor, Finished
from sweep.executors.inline import InlineExecutor
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.planning.open_sweep import OpenSweep
from sweep.running.driver import Driver, DriverSettings
from sweep.running.events import DriverEvent
from workers.data.image_set import ImageSet
from workers.task import PackTask
from workers.training.recipe import Recipe, recipe_for

RECIPE = recipe_for("smoke").with_changes(name="tiny", steps=3, batch=1, patch=8)


def images(name: str, seed: int, side: int = 32) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    return ImageSet(name, ("noise.png",), (pixels,))


DATA = Data(images("train", 1), (images("test", 2),))


def configs(count: int = 6) -> tuple[Config, ...]:
    return select(load_space("paper").configs, ("eSR-MAX",), (2,), "K==3", count)


EVERY_16TH = load_space("paper").configs[::16]


@contextmanager
def two_seeds_of_every_16th(folder: Path) -> Iterator[OpenSweep]:
    """A sweep of every kind of network, planned in a database of its own."""
    plan = stored_plan.make_plan("paper", EVERY_16TH, RECIPE, DATA, root=None, seeds=(0, 1))
    with Store.open(str(folder / "s.db")) as store:
        yield stored_plan.open_plan(store, plan, DATA)


def planned(store: Store, count: int = 6, recipe: Recipe = RECIPE, pack_size: int = 2) -> int:
    plan = stored_plan.make_plan("paper", configs(count), recipe, DATA, root=None, name="tiny", pack_size=pack_size)
    return stored_plan.store_plan(store, plan, DATA)


def driver(
    store: Store,
    sweep_id: int,
    executor: Executor | None = None,
    listener: Callable[[DriverEvent], None] = lambda event: None,
    data: Data = DATA,
    only: frozenset[int] | None = None,
    **settings: object,
) -> Driver:
    chosen = DriverSettings(**{"pack_size": 2, "lease_s": 60.0, **settings})  # type: ignore[arg-type]
    executor = executor or InlineExecutor(by_name.worker_data(data))
    return Driver(OpenSweep.of(store, sweep_id, data, only), executor, chosen, listener)


@dataclass
class Unlucky:
    """An executor that loses the packs ``lose`` says to lose, as a cluster would, and runs the others here."""

    lose: Callable[[PackTask], Failure | None]
    inner: InlineExecutor = field(default_factory=lambda: InlineExecutor(by_name.worker_data(DATA)))
    seen: list[PackTask] = field(default_factory=list)
    lost: list[Finished] = field(default_factory=list)
    last: int = 10_000
    reports_progress: bool = False
    timeouts: list[float] = field(default_factory=list)

    def free(self) -> int:
        return self.inner.free()

    def slots(self) -> int:
        return 1

    def submit(self, task: PackTask, timeout_s: float) -> int:
        self.seen.append(task)
        self.timeouts.append(timeout_s)
        failure = self.lose(task)
        if failure is None:
            return self.inner.submit(task, timeout_s)
        self.last += 1
        self.lost.append(Finished(self.last, lost=failure, reason="as the test wants", node="nowhere"))
        return self.last

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        lost, self.lost = self.lost, []
        return [*lost, *self.inner.poll(timeout_s)]

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        self.inner.connect(stopping, save)

    def steps(self) -> Mapping[int, int]:
        return {}

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        return self.inner.stop(timeout_s)

    def close(self, now: bool = False) -> None:
        return None
