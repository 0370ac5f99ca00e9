"""Evaluate configs for real: plan them into the store, train them in packs, measure speed, read the figures back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from search_space import Config, parse_id
from search_space.errors import BadSpace
from search_space.facts import Speed
from sweep.executors.core import Executor, Finished
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.running import wiring
from sweep.running.driver import Driver, Settings
from sweep.running.launch import Launch
from sweep.running.progress import Display
from sweep.running.quality_phase import measure_quality
from sweep.search.loop import Facts, Interrupted
from sweep.search.objectives import MEASURED, QUALITY, Objective
from sweep.speed.ties import retie
from workers.task import PackTask

if TYPE_CHECKING:
    import pandas as pd

    from results_db.store import Store
    from workers.training.recipe import Recipe

_COLUMNS = {"fps": "fps", "power": "power_w", "memory": "memory_mib", "energy": "energy_j"}
_ONE_WAY = ["backend", "precision", "speed_protocol"]


@dataclass
class Lasting:
    """An executor that outlives one run of the driver: starting workers anew would cost more than a small batch."""

    inner: Executor

    @property
    def hears(self) -> bool:
        """As the executor that does the work."""
        return self.inner.hears

    def free(self) -> int:
        """Workers that could start a pack now."""
        return self.inner.free()

    def slots(self) -> int:
        """Workers in all."""
        return self.inner.slots()

    def submit(self, task: PackTask, timeout_s: float) -> int:
        """Start a pack."""
        return self.inner.submit(task, timeout_s)

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        """Packs that ended."""
        return self.inner.poll(timeout_s)

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Each run of the driver asks to be heard."""
        self.inner.watch(stopping)

    def steps_done(self) -> int:
        """Training steps that running packs report."""
        return self.inner.steps_done()

    def close(self, now: bool = False) -> None:
        """Keeps the workers, except when everything is being stopped."""
        if now:
            self.inner.close(now=True)


@dataclass
class Training:
    """An evaluator that trains. Every batch of one scale is planned, packed and run by the ordinary driver."""

    store: Store
    name: str
    """The sweep's name in the store."""
    space: str
    recipe: Recipe
    data: Data
    objectives: tuple[Objective, ...]
    """Also those of constraints."""
    launch: Launch = field(default_factory=Launch)
    root: str | None = None
    seed: int = 0
    quick_speed: bool = False
    """The small speed protocol, as ``sweep run`` uses for recipes about looking around."""
    screen_part: float = 0.25
    """Steps of a screening run, as a part of the recipe's."""
    quiet: bool = False
    _workers: Lasting | None = None

    def close(self) -> None:
        """Give the workers back."""
        if self._workers is not None:
            self._workers.inner.close()
            self._workers = None

    @property
    def here(self) -> str:
        """The name of this machine as a device."""
        from sweep.running.speed_phase import device_name

        return self.launch.device or device_name()

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """Train (only what has no result yet) and measure."""
        return self._run(configs, self.recipe, self.name)

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The same with a part of the steps, kept as a sweep of its own."""
        steps = max(1, round(self.recipe.steps * self.screen_part))
        short = self.recipe.with_steps(steps)
        return self._run(configs, short, f"{self.name}-screen")

    def earlier(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """Figures of configs that some sweep has already trained with this very recipe, data, seed and code."""
        plan = self._plan(configs, self.recipe, self.name)
        known = self.store.trial_ids(plan.keys)
        finished = {row.id for row in self.store.trials(None, None) if row.state == "done"}
        done = [key.config for key, trial in known.items() if trial in finished]
        if not done:
            return {}
        keys = [key for key in plan.keys if key.config in set(done)]
        again = self._plan([parse_id(c) for c in done], self.recipe, self.name)
        sweep_id = stored_plan.store_plan(self.store, again, self.data)
        self.store.plan(sweep_id, keys)
        measure_quality(self.store, sweep_id, self.data.tests, frozenset(known.values()), quiet=self.quiet)
        return self._figures(sweep_id, [parse_id(config) for config in done])

    def known(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """What is measured of untrained configs: speeds in the store, by device."""
        found: dict[Config, dict[Objective, float]] = {config: {} for config in configs}
        ids = {config.id: config for config in configs}
        for objective in self.objectives:
            if objective.kind in MEASURED:
                for text, value in self._speeds(objective).items():
                    if text in ids:
                        found[ids[text]][objective] = value
            else:
                for config in configs:
                    free = objective.free_value(config)
                    if free is not None:
                        found[config][objective] = free
        return found

    def benchmark(self, configs: Sequence[Config]) -> int:
        """Measure on this machine what has no figure here yet; returns how many were."""
        from workers.benchmark import FULLHD14, QHD5, benchmark

        wanted = [o for o in self.objectives if o.kind in MEASURED and o.target == self.here]
        if not wanted:
            return 0
        have = self._speeds(wanted[0])
        missing = [config for config in configs if config.id not in have]
        if not missing:
            return 0

        def keep(speed: Speed) -> None:
            self.store.add_speeds([speed])

        def notice(text: str) -> None:
            Console(stderr=True).print(text, style="yellow", markup=False, highlight=False)

        protocol = QHD5 if self.quick_speed else FULLHD14
        measured = benchmark(missing, device_name=self.here, protocol=protocol, progress=keep, notice=notice)
        retie(self.store, measured)
        return len(measured)

    def _plan(self, configs: Sequence[Config], recipe: Recipe, name: str) -> stored_plan.Plan:
        return stored_plan.make_plan(
            self.space,
            tuple(configs),
            recipe,
            self.data,
            root=self.root,
            seeds=(self.seed,),
            name=name,
            pack_size=self.launch.pack_size,
        )

    def _run(self, configs: Sequence[Config], recipe: Recipe, name: str) -> Mapping[Config, Facts]:
        plan = self._plan(configs, recipe, name)
        sweep_id = stored_plan.store_plan(self.store, plan, self.data)
        trials = self.store.trial_ids(plan.keys)
        only = frozenset(trials.values())
        missing = [row for row in self.store.missing(sweep_id) if row.id in only]
        if missing:
            self._drive(sweep_id, only, len(missing))
        measure_quality(self.store, sweep_id, self.data.tests, only, quiet=self.quiet)
        done = {row.key.config for row in self.store.trials(sweep_id) if row.id in only and row.state == "done"}
        trained = [config for config in configs if config.id in done]
        self.benchmark(trained)
        return self._figures(sweep_id, trained)

    def _drive(self, sweep_id: int, only: frozenset[int], total: int) -> None:
        wanted = self.launch
        settings = Settings(
            wanted.pack_size, wanted.max_attempts, wanted.timeout, device="cuda" if wanted.gpus else "cpu"
        )
        if self._workers is None:
            workers = wiring.worker_data(self.data, max(1, int(wanted.cpus)))
            made = wiring.make_executor(wanted.executor, workers, wanted.address, wanted.cpus, wanted.gpus)
            self._workers = Lasting(made)
        executor = self._workers
        with Display(total, Console(stderr=True), self.quiet) as display:
            driver = wiring.make_driver(self.store, sweep_id, self.data, executor, settings, display, only)
            with _stoppable(driver):
                report = driver.run()
        if report.interrupted:
            raise Interrupted("stopped; the same command goes on from here")

    def _figures(self, sweep_id: int, configs: Sequence[Config]) -> dict[Config, Facts]:
        from results_db.reading import frames

        cheap = self.known(configs)
        frame = frames.results(self.store, sweep=sweep_id)
        out: dict[Config, Facts] = {}
        for config in configs:
            rows = frame[(frame["config"] == config.id) & (frame["seed"] == self.seed)]
            facts = dict(cheap[config])
            for objective in self.objectives:
                if objective.kind in QUALITY:
                    column = f"{objective.kind}:{objective.target}"
                    values = [float(v) for v in rows[column].dropna()] if column in rows else []
                    if values:
                        facts[objective] = values[0]
            out[config] = facts
        return out

    def _speeds(self, objective: Objective) -> dict[str, float]:
        """Values by config id, all of one backend, precision and protocol: the one with the most configs."""
        from results_db.reading import frames

        column = _COLUMNS[objective.kind]
        frame: pd.DataFrame = frames.results(self.store, device=objective.target)
        frame = frame[frame["device"].notna() & frame[column].notna()]
        if frame.empty:
            return {}
        rows: Any = frame.drop_duplicates(["config", *_ONE_WAY])
        way = rows.groupby(_ONE_WAY, dropna=False).size().idxmax()
        chosen = rows[(rows[_ONE_WAY] == list(way)).all(axis=1)]
        return dict(zip(chosen["config"], (float(value) for value in chosen[column]), strict=True))


def check_targets(objectives: Sequence[Objective], data: Data) -> None:
    """Refuse an objective on a test set that the sweep does not evaluate. Raises BadSpace naming those there are."""
    names = [images.name for images in data.tests]
    for objective in objectives:
        if objective.kind in QUALITY and objective.target not in names:
            raise BadSpace(f"{objective}: there is no test set {objective.target!r} here (have {', '.join(names)})")


@contextmanager
def _stoppable(driver: Driver) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        if driver.stopping:
            raise KeyboardInterrupt
        driver.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
