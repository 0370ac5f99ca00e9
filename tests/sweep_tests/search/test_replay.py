from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import median

import pytest
from typer.testing import CliRunner

from search_space import Config
from search_space.spaces import load_space
from sweep.cli.main import app
from sweep.search import DEFAULT_BATCH
from sweep.search.comparison import compare
from sweep.search.loop import Facts
from sweep.search.replay import TableEvaluator, encoding_for, replay
from sweep.search.samplers import SamplerName
from sweep.search.tables import published_file, published_table
from tests.sweep_tests.search.tables import table

TABLE = table()
ENCODED = encoding_for(TABLE, load_space("paper"))


def test_the_frontier_sampler_beats_random_by_far() -> None:
    ours = [replay(TABLE, SamplerName.FRONTIER, 30, seed, ENCODED).ratio[-1] for seed in range(3)]
    random = [replay(TABLE, SamplerName.RANDOM, 30, seed, ENCODED).ratio[-1] for seed in range(9)]
    assert median(ours) > 0.97
    assert median(ours) > median(random) + 0.03


def test_it_still_beats_random_when_speeds_are_not_known_beforehand() -> None:
    ours = [replay(TABLE, SamplerName.FRONTIER_BLIND, 24, seed, ENCODED).ratio[-1] for seed in range(2)]
    random = [replay(TABLE, SamplerName.RANDOM, 24, seed, ENCODED).ratio[-1] for seed in range(9)]
    assert median(ours) > median(random)


@pytest.mark.parametrize("name", list(SamplerName))
def test_every_sampler_tries_only_new_configs_of_the_table(name: SamplerName) -> None:
    result = replay(TABLE, name, 11, 1, ENCODED)
    assert len(set(result.tried)) == len(result.tried) == 11
    assert set(result.tried) <= set(TABLE.values)
    assert list(result.ratio) == sorted(result.ratio)


def test_the_same_seed_gives_the_same_search() -> None:
    once = replay(TABLE, SamplerName.FRONTIER, 15, 4, ENCODED)
    assert once == replay(TABLE, SamplerName.FRONTIER, 15, 4, ENCODED)


def test_a_replay_asks_for_as_many_suggestions_at_once_as_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []

    def evaluate(self: TableEvaluator, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        batches.append(len(configs))
        return {config: self.table.facts[config] for config in configs}

    monkeypatch.setattr(TableEvaluator, "evaluate", evaluate)
    replay(TABLE, SamplerName.RANDOM, 39, 0, ENCODED)
    assert batches == [DEFAULT_BATCH] * 4 + [39 - 4 * DEFAULT_BATCH]
    batches.clear()
    replay(TABLE, SamplerName.RANDOM, 3, 0, ENCODED, batch=1)
    assert batches == [1, 1, 1]


def test_a_search_of_the_whole_table_reaches_the_whole_hypervolume() -> None:
    small = table("demo")
    assert replay(small, SamplerName.FRONTIER, 99, 0).ratio[-1] == pytest.approx(1.0)
    assert replay(small, SamplerName.NSGA2, 99, 0).ratio[-1] == pytest.approx(1.0)


def test_the_extended_space_is_searched_unchanged() -> None:
    wide = table("extended", 2)
    ours = replay(wide, SamplerName.FRONTIER, 30, 0, encoding_for(wide, load_space("extended")))
    assert ours.ratio[-1] > 0.95


def test_a_comparison_gives_quartiles_at_every_count() -> None:
    rows = compare([TABLE], [SamplerName.RANDOM], 20, 5, at=(5, 10, 20))
    assert [row.trials for row in rows] == [5, 10, 20]
    assert all(row.q25 <= row.hypervolume_ratio_median <= row.q75 for row in rows)


def test_on_the_published_table_the_default_is_far_above_random() -> None:
    path = published_file()
    if path is None:
        pytest.skip("the published table is not here (development material; set EDGE_SWEEP_SHARED)")
    from results_db.foreign import published

    found = published_table(published.read(path), "AGX", "BSDS100", 2)
    assert len(found.values) == 395
    encoded = encoding_for(found, load_space("paper"))
    ours = median(replay(found, SamplerName.FRONTIER, 40, seed, encoded).ratio[-1] for seed in range(2))
    random = median(replay(found, SamplerName.RANDOM, 40, seed, encoded).ratio[-1] for seed in range(15))
    assert ours > 0.98
    assert random < 0.95


def test_the_command_refuses_what_it_does_not_know() -> None:
    for arguments in (["--sampler", "magic"], ["--scale", "5"]):
        result = CliRunner().invoke(app, ["replay", "--table", "published", *arguments])
        assert result.exit_code != 0


def test_the_command_prints_only_json() -> None:
    path = published_file()
    if path is None:
        pytest.skip("the published table is not here (development material; set EDGE_SWEEP_SHARED)")
    arguments = ["replay", "--table", "published", "--device", "RPI", "--scale", "4", "--sampler", "random"]
    result = CliRunner().invoke(app, [*arguments, "--seeds", "2", "--budget", "12", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert {row["trials"] for row in rows} == {10, 12}
