"""Planning is pure: what is missing, in packs, the costliest first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space import parse_id
from search_space.spaces import load_space
from sweep.planning.pack_probe import makespan
from sweep.planning.packs import Item, Pack, order, packs, tally, trial_keys
from sweep.planning.training_progress import step_cost

PAPER = load_space("paper").configs


def items(count: int) -> list[Item]:
    keys = trial_keys(PAPER[:: max(1, len(PAPER) // count)][:count], (0,), "r", "d", lambda config: "c")
    return [Item(i, key) for i, key in enumerate(keys)]


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 16))
def test_every_trial_is_in_exactly_one_pack(count, size, workers):
    wanted = items(count)
    made = packs(wanted, size, workers)
    assert sorted(i.trial for pack in made for i in pack.items) == [i.trial for i in wanted]
    assert all(len(pack.items) <= size for pack in made)


def test_a_pack_has_one_scale_and_the_costliest_pack_is_first():
    made = packs(items(300), 16)
    for pack in made:
        assert len({parse_id(i.key.config).scale for i in pack.items}) == 1
    costs = [pack.cost for pack in made]
    assert costs == sorted(costs, reverse=True)


def test_pack_size_one_trains_each_alone():
    assert all(len(pack.items) == 1 for pack in packs(items(50), 1))


def test_no_worker_idles_when_there_are_fewer_packs_than_workers():
    assert len(packs(items(30), 48, at_least=8)) >= 8


def test_the_tally_counts_the_paper():
    counted = tally(trial_keys(PAPER, (0,), "r", "d", lambda config: "c"), 900)
    assert counted.planned == 1185 and counted.missing == 285
    assert counted.by_family["ESPCN"] == {2: 100, 3: 100, 4: 100}


def test_a_pack_that_runs_by_itself_comes_last():
    some = items(6)
    wanted = [replace(some[0], own_pack=True), replace(some[1], exclusive=True), *some[2:]]
    made = packs(wanted, 3)
    assert [pack.exclusive for pack in made] == [False] * (len(made) - 1) + [True]
    assert [item.trial for item in made[-1].items] == [1]


MAX = [config for config in PAPER if config.family == "eSR-MAX"]


def items_of(configs: list[str], seeds: tuple[int, ...] = (0,)) -> list[Item]:
    keys = trial_keys([parse_id(name) for name in configs], seeds, "r", "d", lambda config: f"c{config.scale}")
    return [Item(number, key) for number, key in enumerate(keys)]


def seeds_of(pack: Pack) -> set[int]:
    return {item.key.seed for item in pack.items}


def cost(name: str) -> float:
    return step_cost(parse_id(name))


def test_a_pack_has_one_seed() -> None:
    made = packs(items_of([config.id for config in MAX[:6]], (0, 1, 2)), 48)
    assert all(len(seeds_of(pack)) == 1 for pack in made)
    assert {seed for pack in made for seed in seeds_of(pack)} == {0, 1, 2}


def test_keys_are_those_of_every_config_one_seed_after_the_other() -> None:
    keys = trial_keys([parse_id("Bicubic_s2"), parse_id("Bicubic_s3")], (4, 5), "r", "d", lambda c: f"c{c.scale}")
    assert [(k.config, k.seed, k.recipe, k.data, k.code) for k in keys] == [
        ("Bicubic_s2", 4, "r", "d", "c2"),
        ("Bicubic_s3", 4, "r", "d", "c3"),
        ("Bicubic_s2", 5, "r", "d", "c2"),
        ("Bicubic_s3", 5, "r", "d", "c3"),
    ]


@pytest.mark.parametrize(
    ("count", "size", "workers", "sizes"),
    [
        (12, 48, 1, [4, 4, 4]),
        (12, 48, 2, [2] * 6),
        (12, 3, 1, [3] * 4),
        (13, 48, 1, [5, 5, 3]),
        (12, 48, 0, [4, 4, 4]),
        (2, 48, 9, [1, 1]),
        (2, 0, 1, [1, 1]),
    ],
)
def test_a_worker_gets_three_packs_where_there_are_trials_enough(
    count: int, size: int, workers: int, sizes: list[int]
) -> None:
    made = packs(items_of([config.id for config in MAX if config.scale == 2][:count]), size, workers)
    assert sorted((len(pack.items) for pack in made), reverse=True) == sizes


def test_the_usual_pack_has_48_members_for_one_worker() -> None:
    wanted = items_of([config.id for config in PAPER if config.scale == 2])
    assert max(len(pack.items) for pack in packs(wanted)) == 48
    assert len(packs(wanted)) == len(packs(wanted, 48, 1))


def test_the_cost_of_a_pack_is_that_of_its_members_and_the_costliest_go_together() -> None:
    names = ["eSR-MAX_s2_K3_C1", "eSR-MAX_s2_K3_C4", "eSR-MAX_s2_K7_C8", "eSR-MAX_s2_K5_C2"]
    made = packs(items_of(names), 2)
    assert [[item.key.config for item in pack.items] for pack in made] == [
        ["eSR-MAX_s2_K7_C8", "eSR-MAX_s2_K5_C2"],
        ["eSR-MAX_s2_K3_C4", "eSR-MAX_s2_K3_C1"],
    ]
    assert [pack.cost for pack in made] == [sum(cost(i.key.config) for i in pack.items) for pack in made]


def test_configs_of_equal_cost_are_in_the_order_of_their_ids() -> None:
    names = ["eSR-TM_s2_K3_C2", "eSR-MAX_s2_K3_C4"]
    assert cost(names[0]) == cost(names[1])
    (made,) = packs([*items_of(names), *items_of(["eSR-MAX_s2_K3_C1"])], 3, 0)[:1]
    assert [item.key.config for item in made.items][:1] == ["eSR-MAX_s2_K3_C4"]


@pytest.mark.parametrize("how", ["own_pack", "exclusive"])
def test_a_trial_that_runs_by_itself_has_a_pack_of_its_own_and_does_not_shrink_the_others(how: str) -> None:
    some = items_of([config.id for config in MAX if config.scale == 2][:7])
    first = replace(some[0], **{how: True})
    made = packs([first, *some[1:]], 48, 1)
    (own,) = [pack for pack in made if first in pack.items]
    assert own.items == (first,) and own.cost == cost(first.key.config)
    assert sorted(len(pack.items) for pack in made) == [1, 2, 2, 2]
    assert own.exclusive is (how == "exclusive")


def test_packs_that_need_the_machine_come_last_whatever_they_cost() -> None:
    cheap, costly = items_of(["eSR-MAX_s2_K3_C1", "eSR-MAX_s2_K7_C8"])
    light, heavy = Pack((cheap,), 1.0), Pack((replace(costly, exclusive=True),), 9.0)
    assert sorted([heavy, light], key=order) == [light, heavy]
    assert order(light) < order(Pack((cheap,), 0.5))


def test_a_tally_counts_every_config_of_a_family_and_scale() -> None:
    keys = trial_keys([parse_id("Bicubic_s2"), *MAX[:3]], (0, 1), "r", "d", lambda config: "c")
    counted = tally(keys, 3)
    assert (counted.planned, counted.done, counted.missing) == (8, 3, 5)
    assert counted.by_family == {"Bicubic": {2: 2}, "eSR-MAX": {MAX[0].scale: 6}}


PAPER_ITEMS = [Item(i, key) for i, key in enumerate(trial_keys(PAPER, (0,), "r", "d", lambda config: "c"))]


def test_on_a_gpu_the_default_is_one_pack_per_scale() -> None:
    made = packs(PAPER_ITEMS, on_gpu=True)
    assert [len(pack.items) for pack in made] == [395, 395, 395]
    assert [parse_id(pack.items[0].key.config).scale for pack in made] == [4, 3, 2]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 8, 16, 64])
def test_on_gpus_as_few_packs_as_let_all_workers_end_together(workers: int) -> None:
    made = packs(PAPER_ITEMS, at_least=workers, on_gpu=True)
    assert len(made) <= 3 + workers - 1
    costs = [pack.cost for pack in made]
    assert makespan(costs, workers) <= 1.03 * sum(costs) / workers


def test_packs_of_one_scale_on_gpus_are_fair_samples_of_it() -> None:
    made = packs(PAPER_ITEMS, at_least=8, on_gpu=True)
    whole = [pack for pack in made if pack.cost > 0.9 * made[0].cost]
    families = [{parse_id(item.key.config).family for item in pack.items} for pack in whole]
    assert len(whole) >= 4 and all(len(family) >= 6 for family in families)


def test_a_pack_size_that_was_asked_for_holds_on_a_gpu_too() -> None:
    assert packs(PAPER_ITEMS, 60, 2, on_gpu=True) == packs(PAPER_ITEMS, 60, 2)


@given(st.lists(st.integers(0, len(PAPER) - 1), unique=True, max_size=60), st.integers(1, 12))
def test_on_gpus_every_trial_is_in_exactly_one_pack(places: list[int], workers: int) -> None:
    made = packs([PAPER_ITEMS[i] for i in places], at_least=workers, on_gpu=True)
    assert sorted(item.trial for pack in made for item in pack.items) == sorted(places)
    assert all(pack.items and len({parse_id(i.key.config).scale for i in pack.items}) == 1 for pack in made)


def test_what_is_left_of_a_training_counts_in_steps() -> None:
    some = items_of(["eSR-MAX_s2_K7_C8", "eSR-TM_s2_K7_C8"])
    (pack,) = packs([replace(some[0], left=100.0)])
    assert pack.cost == 100 * cost("eSR-MAX_s2_K7_C8")
