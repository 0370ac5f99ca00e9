from __future__ import annotations

import numpy as np
import optuna
import pytest

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.errors import BadSpace
from search_space.spaces import load_space, select
from sweep.search.encoding import encoding
from sweep.search.features import features
from sweep.search.frontier_sampler import FrontierSampler
from sweep.search.loop import Search, batch_size
from sweep.search.objectives import Constraint, Objective, parse_percentage
from sweep.search.replay import TableEvaluator
from sweep.search.replay_table import ReplayTable
from sweep.search.surrogate import Surrogate
from tests.sweep_tests.search.tables import FPS, PSNR, figures, table

AXES = (FPS, PSNR)
SPACE = load_space("paper")


def make(known: bool = True, seed: int = 0, space: str = "paper") -> tuple[optuna.Study, FrontierSampler, Search]:
    board = table(space, 4)
    encoded = encoding(load_space(space), 4)
    told = (lambda config: {FPS: figures(config)[0]}) if known else None
    sampler = FrontierSampler(encoded, list(board.facts), AXES, told, seed=seed)
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)
    return study, sampler, Search(study, encoded, AXES, list(board.facts), TableEvaluator(board), seed=seed)


@pytest.mark.parametrize("known", [True, False])
def test_the_first_suggestions_spread_over_sizes_before_anything_is_trained(known: bool) -> None:
    study, sampler, search = make(known)
    first = [search.encoding.suggest(study.ask()) for _ in range(8)]
    assert len(set(first)) == 8
    size = dict(zip(sampler.candidates, sampler._features.size, strict=True))
    ranks = np.searchsorted(np.sort(sampler._features.size), [size[config] for config in first]) / len(size)
    assert ranks.min() < 0.3
    assert ranks.max() > 0.7
    assert len({config.family for config in first}) >= 3


def test_other_seeds_start_elsewhere() -> None:
    starts = set()
    for seed in range(4):
        study, _, search = make(seed=seed)
        starts.add(tuple(search.encoding.suggest(study.ask()) for _ in range(4)))
    assert len(starts) > 1


def test_with_few_trials_a_larger_config_is_believed_better_and_slower() -> None:
    configs = select(SPACE.configs, ["FSRCNN"], [2])
    seen = features(configs)
    middle = np.argsort(seen.size)[len(configs) // 2 - 2 : len(configs) // 2 + 2].tolist()
    level = [30.0, 30.1, 30.0, 30.1]
    quality = Surrogate(seen, trend=1.0).posterior(middle, level).median()
    speed = Surrogate(seen, trend=-1.0, warped=False).posterior(middle, level).median()
    largest, smallest = int(np.argmax(seen.size)), int(np.argmin(seen.size))
    assert quality[largest] > quality[smallest]
    assert speed[largest] < speed[smallest]


def test_observations_outweigh_the_trend() -> None:
    configs = select(SPACE.configs, ["FSRCNN"], [2])
    seen = features(configs)
    order = np.argsort(seen.size)[::4].tolist()
    falling = list(np.linspace(31, 29, len(order)))
    believed = Surrogate(seen, trend=1.0).posterior(order, falling).median()
    assert believed[order[0]] > believed[order[-1]] + 1


def bounded_search(board: ReplayTable, bound: Constraint) -> tuple[FrontierSampler, Search]:
    """A search that is told no speeds and is bounded in speed, which is none of its objectives."""
    encoded, axes = encoding(SPACE, 4, ("eSR-TM",)), (PSNR, Objective("parameters"))
    sampler = FrontierSampler(encoded, list(board.facts), axes, None, (bound,))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    return sampler, Search(study, encoded, axes, list(board.facts), TableEvaluator(board), (bound,))


def test_a_bound_on_what_is_not_known_is_learnt_from_the_trials() -> None:
    speeds = {config: figures(config)[0] for config in select(SPACE.configs, ["eSR-TM"], [4])}
    facts = {
        config: {PSNR: figures(config)[1], FPS: fps, Objective("parameters"): float(describe(config).parameters)}
        for config, fps in speeds.items()
    }
    bound = Constraint(FPS, True, float(np.median(list(speeds.values()))))
    sampler, search = bounded_search(ReplayTable("bounded", (PSNR, Objective("parameters")), facts, (bound,)), bound)
    search.run(len(speeds) // 2)
    keeping = [bound.violation(speeds[parse_id(text)]) <= 0 for text in search.tried()]
    assert np.mean(keeping[8:]) > 0.7, "half of the configs keep it"
    read = sampler._read(search.study, -1)
    assert [v[2] for v in read.values] == pytest.approx([FPS.axis(speeds[sampler.candidates[i]]) for i in read.done])
    assert sampler._kept(np.array(read.values)).tolist() == keeping


def test_an_unknown_cost_counts_from_the_worst_that_is_expected_of_any_config() -> None:
    _, sampler, search = make(known=False)
    search.run(16)
    trials = sampler._read(search.study, -1)
    assert sampler._reference(trials)[0] <= sampler._expected_of(trials)[:, 0].min()
    _, told, search = make()
    search.run(16)
    slowest = min(FPS.axis(figures(config)[0]) for config in told.candidates)
    assert told._reference(told._read(search.study, -1))[0] == slowest


def test_parameters_are_known_even_to_a_search_that_is_told_nothing() -> None:
    small = Constraint(Objective("parameters"), False, 500.0)
    sampler = FrontierSampler(encoding(SPACE, 2), select(SPACE.configs, scale=[2]), AXES, None, (small,))
    assert max(describe(config).parameters for config in sampler.candidates) <= 500


def test_the_expected_growth_falls_and_ends_at_nothing() -> None:
    study, sampler, search = make(space="demo")
    assert sampler.expected_growth(study) == float("inf")
    search.run(4)
    early = sampler.expected_growth(study)
    search.run(len(search.candidates) - 1)
    assert 0 <= sampler.expected_growth(study) < early < 1
    search.run(len(search.candidates))
    assert sampler.expected_growth(study) == 0


def test_a_search_stops_when_little_more_is_expected() -> None:
    study, sampler, search = make()
    search.until, search.growth = 0.02, sampler.expected_growth
    search.run(100)
    assert search.settled
    assert 8 <= search.spent() < 100
    assert sampler.expected_growth(study) < 0.02
    search.until = 0.0
    search.run(search.spent() + 2)
    assert not search.settled


@pytest.mark.parametrize(("budget", "expected"), [(1, 1), (5, 1), (9, 2), (14, 3), (39, 8), (40, 8), (400, 8)])
def test_a_small_budget_is_spent_in_smaller_batches(budget: int, expected: int) -> None:
    assert batch_size(8, budget) == expected


@pytest.mark.parametrize("text", ["0.5", "0%", "100%", "-1%", "x%", "", "1e-3%"])
def test_only_a_percentage_between_0_and_100_is_taken(text: str) -> None:
    with pytest.raises(BadSpace, match="is not a percentage"):
        parse_percentage(text)
