"""The time before the start is that of the packs as they will run: trained together, measured, shared by workers."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from search_space.facts import TrialKey
from sweep.planning import pack_probe
from sweep.planning.pack_probe import PackTime, interpolated, makespan, time_pack, wall_seconds
from sweep.planning.packs import Item, Pack, packs
from sweep.planning.training_progress import step_cost
from tests.sweep_tests.kit import DATA, RECIPE

SMALL, LARGE = "eSR-MAX_s2_K3_C1", "eSR-MAX_s2_K3_C4"


def packed(*configs: str, size: int = 2):
    return packs([Item(i, TrialKey(config, 0, "r", "d", "c")) for i, config in enumerate(configs)], size)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A second to start each member; a step takes its cost in seconds; measuring a network takes 10 s."""
    asked: list[int] = []

    def time_it(pack, recipe, images) -> PackTime:
        asked.append(len(pack.items))
        return PackTime(float(len(pack.items)), pack_probe._cost(pack), len(pack.items))

    monkeypatch.setattr(pack_probe, "time_pack", time_it)
    monkeypatch.setattr(pack_probe, "_measuring", lambda cheap, costly, tests: (10.0, 0.0))
    return asked


def test_a_pack_takes_its_start_its_steps_and_the_measuring_of_its_members(timed):
    configs = [f"eSR-MAX_s2_K3_C{channels}" for channels in range(1, 7)]
    cost = sum(step_cost(parse_id(config)) for config in configs)
    wanted = 6 * 1.0 + RECIPE.steps * cost + 6 * 10.0
    assert wall_seconds(packed(*configs), RECIPE, DATA, 1) == pytest.approx(wanted)
    assert timed == [2, 2, 2]


def test_of_many_packs_three_of_each_scale_are_looked_at_and_workers_share_them(timed):
    configs = [f"eSR-MAX_s{scale}_K3_C{channels}" for scale in (2, 3) for channels in range(1, 11)]
    alone = wall_seconds(packed(*configs), RECIPE, DATA, 1)
    assert len(timed) == 6
    assert alone / 2 <= wall_seconds(packed(*configs), RECIPE, DATA, 2) < 0.75 * alone


def test_a_pack_between_two_probed_ones_lies_on_their_line_and_never_below_nothing():
    points = [(1.0, 1.0), (2.0, 2.0), (4.0, 8.0)]
    assert [interpolated(points, at) for at in (1.5, 3.0, 5.0)] == [1.5, 5.0, 11.0]
    assert interpolated([(1.0, 1.0), (2.0, 3.0)], 0.0) > 0


def test_the_last_job_ends_late_where_jobs_do_not_divide():
    assert makespan([5.0, 3.0, 3.0], 2) == 6.0 and makespan([], 2) == 0.0 and makespan([2.0], 0) == 2.0


def test_the_real_probe_stops_early_and_leaves_the_threads_as_they_were():
    before = torch.get_num_threads()
    pack = Pack(tuple(Item(i, TrialKey(config, 0, "r", "d", "c")) for i, config in enumerate((SMALL, LARGE))), 1.0)
    known = time_pack(pack, RECIPE.with_changes(steps=10**6), DATA.train)
    assert known.step > 0 and known.start > 0 and known.members == 2
    endless = wall_seconds((pack,), RECIPE.with_changes(steps=10**6), DATA, 1)
    assert endless > 100 * wall_seconds((pack,), RECIPE.with_changes(steps=10), DATA, 1)
    assert torch.get_num_threads() == before


def test_bicubic_takes_no_training_but_is_measured():
    only = packed("Bicubic_s2", "Bicubic_s3")
    assert 0 < wall_seconds(only, RECIPE.with_changes(steps=10**9), DATA, 1) < 60
