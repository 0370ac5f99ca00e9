"""Planning is pure: what is missing, in packs, the costliest first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from search_space import parse_id
from search_space.spaces import load_space
from sweep.planning.packs import Item, packs, tally, trial_keys

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
