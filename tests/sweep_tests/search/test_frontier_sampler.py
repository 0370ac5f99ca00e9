from __future__ import annotations

import numpy as np
import optuna
import pytest

from search_space.errors import BadSpace
from search_space.spaces import load_space, select
from sweep.search.encoding import encoding
from sweep.search.features import features
from sweep.search.frontier_sampler import FrontierSampler
from sweep.search.loop import Search, batch_size
from sweep.search.objectives import parse_percentage
from sweep.search.replay import TableEvaluator
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
        starts.add(search.encoding.suggest(study.ask()))
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
