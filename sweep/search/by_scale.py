"""A whole search: each scale of a space has its own study, candidates and budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results_db.reading.disturbed import Timing, notes
from search_space import parse_id
from search_space.errors import BadSpace, SweepError
from search_space.spaces import ENUMERABLE, select
from sweep.planning.settings import usual_speed_protocol
from sweep.planning.stored_plan import make_plan
from sweep.running.launch import Launch, disconnect
from sweep.search import DEFAULT_BATCH
from sweep.search.encoding import encoding
from sweep.search.frontier_sampler import FrontierSampler
from sweep.search.loop import Facts, Search, SearchEvent, frontier_of
from sweep.search.objectives import Constraint, Objective, parse_constraint, parse_objectives, parse_percentage
from sweep.search.samplers import SamplerName, make_sampler
from sweep.search.studies import add_result, configs_in, open_storage, open_study
from sweep.search.training import Training, check_targets
from sweep.speed.measure_missing import device_name

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space import Config
    from search_space.facts import TrialKey
    from search_space.spaces import Space
    from sweep.planning.data import Data
    from workers.training.recipe import Recipe

MOST_LISTED = 5000
"""Candidates of one scale; a larger space is sampled down to this many."""
MOST_BENCHMARKED = 500
"""Candidates measured on this machine before the first training."""

Listener = Callable[[SearchEvent, "tuple[Objective, ...]"], None]


@dataclass(frozen=True)
class ScaleReport:
    """The result of searching one scale."""

    scale: int
    study: str
    """Name of the Optuna study."""
    candidates: int
    trained: int
    """Configs that count towards the budget."""
    tried: tuple[str, ...]
    """Their ids, in the order in which they were suggested."""
    frontier: tuple[Mapping[str, Any], ...]
    """Undominated configs with their value of each objective, best first by the first objective; ``disturbed`` says
    whether a value was measured while the machine was busy."""
    settled: bool = False
    """Whether the search stopped before its budget because one more training is expected to add too little."""


@dataclass(frozen=True)
class SearchOptions:
    """What a search is asked for, as a user writes it."""

    budget: int = 40
    """Configs to train, for each scale."""
    objectives: str | None = None
    """None: PSNR on the first test set and this machine's speed."""
    constraints: tuple[str, ...] = ()
    sampler: str = SamplerName.FRONTIER
    name: str | None = None
    """Of the studies and the sweep; None: made of space, recipe and objectives."""
    scales: tuple[int, ...] = ()
    """Empty: all of the space."""
    families: tuple[str, ...] = ()
    where: str | None = None
    screening: bool = False
    seed: int = 0
    """Of the sampler."""
    benchmark_first: bool = True
    until: str | None = None
    """Stop when one more training is expected to add less than this part of the hypervolume, such as ``0.5%``."""


@dataclass(frozen=True)
class SearchPlan:
    """What to search, with what, and how the trainings run."""

    space: Space
    space_name: str
    """As it was asked for: a preset or a file."""
    recipe: Recipe
    data: Data
    launch: Launch
    """Its pack size is the number of suggestions that train together."""
    options: SearchOptions
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    until: float
    """As of the options, as a part of 1; 0 spends the budget."""

    @property
    def label(self) -> str:
        """Names the studies (with ``-x2``, ...) and the sweep of the trainings (after ``search-``)."""
        default = f"{self.space.name}-{self.recipe.name}-{'-'.join(map(str, self.objectives))}"
        return self.options.name or default

    def run(
        self,
        store: Store,
        address: str,
        *,
        quiet: bool = True,
        on_forced_exit: Callable[[], None] | None = None,
        listener: Listener = lambda event, objectives: None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> Iterator[ScaleReport]:
        """Search each scale; trainings are kept in ``store``, studies beside the database at ``address``.

        For ``on_forced_exit`` see ``stop_on_signal``. At the end ``tell`` gets lines about disturbed speeds. Raises
        ``loop.Interrupted`` after Ctrl-C; a second run goes on.
        """
        training = Training(
            store,
            f"search-{self.label}",
            self.space_name,
            self.recipe,
            self.data,
            tuple(dict.fromkeys((*self.objectives, *(bound.objective for bound in self.constraints)))),
            self.launch,
            self.launch.data_root,
            speed_protocol=usual_speed_protocol(self.recipe),
            quiet=quiet,
            on_forced_exit=on_forced_exit,
        )
        speeds: list[Timing] = []
        try:
            for scale in sorted(set(self.options.scales or _scales(self.space))):
                candidates = self._candidates(scale)
                search = self._search(address, scale, candidates, training, listener)
                if self.until:
                    _stop_at(search, self.until)
                search.run(self.options.budget)
                speeds += training.timings(candidates)
                yield _report(search, scale, len(candidates), {one.config for one in speeds if one.disturbed})
            for text in notes(speeds, store.url):
                tell(text)
        finally:
            training.close()
            disconnect()

    def comparable(self, keys: Iterable[TrialKey]) -> int:
        """How many of the keys this search would train itself: its configs with its recipe, images, seed and code."""
        found = frozenset(keys)
        configs = tuple(dict.fromkeys(config for key in found if (config := _known(key.config)) is not None))
        encodings = [encoding(self.space, scale) for scale in _scales(self.space)]
        of_space = tuple(c for c in configs if any(e.scale == c.scale and e.encode(c) is not None for e in encodings))
        if not of_space:
            return 0
        return len(found.intersection(make_plan(self.space_name, of_space, self.recipe, self.data, root=None).keys))

    def _candidates(self, scale: int) -> tuple[Config, ...]:
        space, options = self.space, self.options
        if space.size <= 20 * MOST_LISTED or (space.size <= ENUMERABLE and options.where):
            configs = space.configs
        else:
            configs = space.draw(20 * MOST_LISTED, options.seed)
        candidates = select(configs, options.families, [scale], options.where)
        if not candidates:
            raise BadSpace(f"the filters leave no config at scale {scale}")
        return select(candidates, sample=MOST_LISTED, seed=self.options.seed)

    def _feasible(self, candidates: tuple[Config, ...], costs: Mapping[Config, Facts]) -> tuple[Config, ...]:
        """The candidates that are not known to break a constraint, whatever sampler is to choose among them."""
        kept = tuple(
            config
            for config in candidates
            if all(
                b.violation(costs[config][b.objective]) <= 0 for b in self.constraints if b.objective in costs[config]
            )
        )
        if not kept:
            raise BadSpace(f"no config of the space satisfies {', '.join(map(str, self.constraints))}")
        return kept

    def _search(
        self, address: str, scale: int, candidates: tuple[Config, ...], training: Training, listener: Listener
    ) -> Search:
        """One scale's search: speeds are measured and earlier results added to its study."""
        if self.options.benchmark_first and len(candidates) <= MOST_BENCHMARKED:
            training.benchmark(candidates)
        costs = training.known_costs(candidates)
        for objective in self.objectives:
            is_of_other_device = not objective.needs_training and objective.target not in ("", training.here)
            if is_of_other_device:
                candidates = tuple(config for config in candidates if objective in costs[config])
                if not candidates:
                    raise BadSpace(f"{objective}: no speeds of that device in the database (sweep import-measurements)")
        candidates = self._feasible(candidates, costs)
        encoded = encoding(self.space, scale, self.options.families)
        sampler = make_sampler(
            SamplerName(self.options.sampler),
            encoded,
            candidates,
            self.objectives,
            lambda config: costs[config],
            self.constraints,
            self.options.seed,
        )
        study = open_study(open_storage(address), f"{self.label}-x{scale}", self.objectives, sampler)

        def notify(event: SearchEvent) -> None:
            listener(event, self.objectives)

        tried = configs_in(study, encoded)
        for config, facts in training.earlier_results(candidates).items():
            if config not in tried and all(objective in facts for objective in self.objectives):
                values = [facts[objective] for objective in self.objectives]
                if add_result(study, encoded, config, values, self.constraints, facts):
                    notify(SearchEvent(config, "earlier", tuple(values)))
        return Search(
            study,
            encoded,
            self.objectives,
            candidates,
            training,
            self.constraints,
            self.launch.pack_size or DEFAULT_BATCH,
            self.options.screening,
            self.options.seed,
            notify,
        )


def search_plan(
    space: Space, space_name: str, recipe: Recipe, data: Data, launch: Launch, options: SearchOptions
) -> SearchPlan:
    """A plan with the texts of ``options`` read; ``HERE`` stands for this machine. Raises BadSpace."""
    if options.sampler not in list(SamplerName):
        raise BadSpace(f"unknown sampler {options.sampler[:40]!r} (choose from {', '.join(SamplerName)})")
    here = launch.device or device_name()
    text = options.objectives or f"psnr:{data.tests[0].name},fps:HERE"
    axes = parse_objectives(text.replace(":HERE", f":{here}"))
    bounds = tuple(parse_constraint(bound.replace(":HERE", f":{here}")) for bound in options.constraints)
    check_targets((*axes, *(bound.objective for bound in bounds)), data)
    until = parse_percentage(options.until) if options.until else 0.0
    if until and (options.sampler not in (SamplerName.FRONTIER, SamplerName.FRONTIER_BLIND) or len(axes) != 2):
        raise BadSpace("--until needs the sampler frontier or frontier-blind and two objectives")
    return SearchPlan(space, space_name, recipe, data, launch, options, axes, bounds, until)


def _stop_at(search: Search, until: float) -> None:
    sampler = search.study.sampler
    assert isinstance(sampler, FrontierSampler), "search_plan refuses another"
    search.until, search.growth = until, sampler.expected_growth


def _known(config_id: str) -> Config | None:
    """The config of an id, or None for one of a family that is not installed here."""
    try:
        return parse_id(config_id)
    except SweepError:
        return None


def _scales(space: Space) -> set[int]:
    scales: set[int] = set()
    for part in space.parts:
        scales.update(dict(part.grid.axes)["scale"] if part.grid else (config.scale for config in part.configs))
    return scales


def _report(search: Search, scale: int, candidates: int, disturbed: Set[str]) -> ScaleReport:
    names = [str(objective) for objective in search.objectives]
    return ScaleReport(
        scale,
        search.study.study_name,
        candidates,
        search.spent(),
        tuple(search.tried()),
        tuple(
            {"config": config, **dict(zip(names, values, strict=True)), "disturbed": config in disturbed}
            for config, values in frontier_of(search.study)
        ),
        search.settled,
    )
