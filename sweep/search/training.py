"""Evaluate configs by training: plan them into the store, train them in packs, measure speed, read the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from search_space import Config, parse_id
from search_space.errors import BadSpace
from search_space.facts import Checkpoint
from search_space.metrics import COSTS
from sweep.executors.core import Executor, Finished
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.planning.open_sweep import OpenSweep
from sweep.running.driver import Driver
from sweep.running.events import DriverEvent, EventKind
from sweep.running.launch import Launch
from sweep.running.log_file import LogFile, log_path
from sweep.running.progress import Display
from sweep.running.quality_phase import measure_quality
from sweep.running.signals import stop_on_signal
from sweep.search.loop import Facts, Interrupted
from sweep.search.objectives import MEASURED, QUALITY, Objective
from sweep.search.telling import Telling
from sweep.speed.job import BenchmarkJob
from sweep.speed.measure_missing import device_name, measure_missing
from workers.task import PackTask

if TYPE_CHECKING:
    import pandas as pd

    from results_db.reading.disturbed import Timing
    from results_db.store import Store
    from workers.training.recipe import Recipe

STOPPED = "stopped; the same command goes on from here"


@dataclass
class PersistentExecutor:
    """An executor that outlives one run of the driver: restarting workers can take longer than training a batch."""

    inner: Executor

    @property
    def reports_progress(self) -> bool:
        """As the inner executor."""
        return self.inner.reports_progress

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

    def steps(self) -> Mapping[int, int]:
        """Of the packs that run."""
        return self.inner.steps()

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        """Connect the next run of the driver."""
        self.inner.connect(stopping, save)

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        """Stop the packs that run."""
        return self.inner.stop(timeout_s)

    def close(self, now: bool = False) -> None:
        """Does nothing, so that the workers stay, unless ``now``."""
        if now:
            self.inner.close(now=True)


@dataclass
class Training:
    """The evaluator that trains: each batch of configs is planned, packed and run by the driver of ``sweep run``."""

    store: Store
    name: str
    """The sweep's name in the store."""
    space: str
    recipe: Recipe
    data: Data
    objectives: tuple[Objective, ...]
    """Including those of constraints."""
    launch: Launch = field(default_factory=Launch)
    root: str | None = None
    seed: int = 0
    speed_protocol: str = "fullhd14"
    """The protocol that measures candidates on this machine."""
    screen_part: float = 0.25
    """Steps of a screening run as a fraction of the recipe's."""
    quiet: bool = False
    on_forced_exit: Callable[[], None] | None = None
    """See ``stop_on_signal``."""
    _workers: PersistentExecutor | None = None
    _telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        self._telling = Telling(self.launch)

    def close(self) -> None:
        """Release the workers, and tell trackers that it is over."""
        self._telling.close()
        if self._workers is not None:
            self._workers.inner.close()
            self._workers = None

    @property
    def here(self) -> str:
        """The name of this machine as a device."""
        return self.launch.device or device_name()

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """Train (only what has no result yet) and measure."""
        return self._run(configs, self.recipe, self.name)

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The same with ``screen_part`` of the steps, kept as a separate sweep."""
        steps = max(1, round(self.recipe.steps * self.screen_part))
        short = self.recipe.with_steps(steps)
        return self._run(configs, short, f"{self.name}-screen")

    def earlier_results(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """Results of configs that any sweep has trained with the same recipe, data, seed and code."""
        plan = self._plan(configs, self.recipe, self.name)
        trial_ids = self.store.trial_ids(plan.keys)
        finished = {row.id for row in self.store.trials(None, None) if row.state == "done"}
        done = [key.config for key, trial in trial_ids.items() if trial in finished]
        if not done:
            return {}
        keys = [key for key in plan.keys if key.config in set(done)]
        done_plan = self._plan([parse_id(c) for c in done], self.recipe, self.name)
        sweep = stored_plan.open_plan(self.store, done_plan, self.data)
        self.store.plan(sweep.id, keys)
        measure_quality(sweep.narrowed(plan.keys), quiet=self.quiet)
        return self._results(sweep.id, [parse_id(config) for config in done])

    def known_costs(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        """The objectives that need no training: speeds in the store, parameters, MACs."""
        costs: dict[Config, dict[Objective, float]] = {config: {} for config in configs}
        ids = {config.id: config for config in configs}
        for objective in self.objectives:
            if objective.kind in MEASURED:
                for text, value in self._speeds(objective).items():
                    if text in ids:
                        costs[ids[text]][objective] = value
            else:
                for config in configs:
                    free = objective.free_value(config)
                    if free is not None:
                        costs[config][objective] = free
        return costs

    def benchmark(self, configs: Sequence[Config]) -> int:
        """Measure the configs that have no speed on this machine yet; returns their number."""
        from workers.benchmark import protocol

        measured_here = [o for o in self.objectives if o.kind in MEASURED and o.target == self.here]
        if not measured_here:
            return 0

        def notice(text: str) -> None:
            Console(stderr=True).print(text, style="yellow", markup=False, highlight=False)

        job = BenchmarkJob((), self.here, protocol=protocol(self.speed_protocol))
        return len(measure_missing(self.store, configs, job, notice=notice).speeds)

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
        sweep = stored_plan.open_plan(self.store, plan, self.data)
        missing = sweep.to_do().total()
        if missing:
            self._drive(sweep, missing)
        measure_quality(sweep, quiet=self.quiet)
        done = {row.key.config for row in sweep.trials() if row.state == "done"}
        trained = [config for config in configs if config.id in done]
        if self.benchmark(trained):
            self._telling.of(sweep).put_configs(config.id for config in trained)
        return self._results(sweep.id, trained)

    def _drive(self, sweep: OpenSweep, missing: int) -> None:
        how = self.launch
        console = Console(stderr=True)

        def say(line: str) -> None:
            if not self.quiet:
                console.print(line, markup=False, highlight=False)

        tracking = self._telling.of(sweep)
        if self._workers is None:
            self._workers = PersistentExecutor(how.start_workers(self.data, sweep.recipe.precision, say))
        with (
            stop_on_signal(console, self.on_forced_exit) as stop,
            LogFile(log_path(self.store.database.address)) as log,
            Display(missing, console, self.quiet, verbose=how.verbose) as display,
        ):

            def listen(event: DriverEvent) -> None:
                log(event)
                display(event)
                if event.kind in (EventKind.DONE, EventKind.FAILED):
                    tracking.put(event.trial)

            driver = Driver(sweep, self._workers, how.driver_settings, listen)
            stop.stops(driver)
            report = driver.run()
        self._telling.add(report)
        if report.interrupted:
            raise Interrupted(STOPPED)

    def _results(self, sweep_id: int, configs: Sequence[Config]) -> dict[Config, Facts]:
        from results_db.reading import frames

        costs = self.known_costs(configs)
        frame = frames.results(self.store, sweep=sweep_id)
        out: dict[Config, Facts] = {}
        for config in configs:
            rows = frame[(frame["config"] == config.id) & (frame["seed"] == self.seed)]
            facts = dict(costs[config])
            for objective in self.objectives:
                if objective.kind in QUALITY:
                    column = f"{objective.kind}:{objective.target}"
                    values = [float(v) for v in rows[column].dropna()] if column in rows else []
                    if values:
                        facts[objective] = values[0]
            out[config] = facts
        return out

    def timings(self, configs: Sequence[Config]) -> list[Timing]:
        """The stored speeds that the objectives take for these configs, for what is to be said of disturbed ones."""
        from analysis.reading.disturbed import timings

        ids = {config.id for config in configs}
        used = [self._measured(objective) for objective in self.objectives if objective.kind in MEASURED]
        return list(dict.fromkeys(t for rows in used for t in timings(rows[rows["config"].isin(ids)])))

    def _speeds(self, objective: Objective) -> dict[str, float]:
        """Values by config id, all of one backend, precision and protocol: the one with the most configs."""
        chosen = self._measured(objective)
        values = chosen[COSTS[objective.kind].column]
        return dict(zip(chosen["config"], (float(value) for value in values), strict=True))

    def _measured(self, objective: Objective) -> pd.DataFrame:
        """A row per config with a value of a measured objective, all of one backend, precision and protocol."""
        from results_db.reading import frames
        from results_db.reading.speed_kinds import of_most_configs

        frame: pd.DataFrame = frames.results(self.store, device=objective.target)
        frame = frame[frame["device"].notna() & frame[COSTS[objective.kind].column].notna()]
        return frame[of_most_configs(frame)].drop_duplicates("config")


def check_targets(objectives: Sequence[Objective], data: Data) -> None:
    """Refuse an objective on a test set that the sweep does not evaluate. Raises BadSpace that names its test sets."""
    names = [images.name for images in data.tests]
    for objective in objectives:
        if objective.kind in QUALITY and objective.target not in names:
            raise BadSpace(f"{objective}: there is no test set {objective.target!r} here (have {', '.join(names)})")
