from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search_space import parse_id
from search_space.errors import BadData
from sweep.search.objectives import Objective, parse_constraint
from sweep.search.replay import TableEvaluator, replay
from sweep.search.replay_table import replay_table
from sweep.search.samplers import SamplerName

FPS, PSNR, POWER = Objective("fps", "D"), Objective("psnr", "T"), Objective("power", "D")
ROWS = {
    "eSR-MAX_s2_K3_C1": (np.e**3, 30.0, 1.0),
    "eSR-MAX_s2_K5_C1": (np.e**2, 31.0, np.e),
    "eSR-MAX_s2_K7_C1": (np.e, 33.0, np.e**3),
    "eSR-MAX_s2_K3_C2": (np.e, 30.0, np.e**2),
}
TABLE = replay_table("made up", (FPS, PSNR, POWER), ROWS)


def test_three_axes_are_scored_by_their_volume_over_the_worst_corner() -> None:
    # Axes (log fps, psnr, -log power) over (1, 30, -3): (2, 0, 3), (1, 1, 2) and (0, 3, 0); only the second has volume.
    assert TABLE.exhaustive == pytest.approx(2.0)
    assert TABLE.ratio([parse_id("eSR-MAX_s2_K5_C1")]) == pytest.approx(1.0)
    assert TABLE.ratio([parse_id("eSR-MAX_s2_K7_C1")]) == 0.0


def test_only_configs_that_keep_the_constraints_count() -> None:
    values, powers = {k: v[:2] for k, v in ROWS.items()}, {k: {POWER: v[2]} for k, v in ROWS.items()}
    bounded = replay_table("bounded", (FPS, PSNR), values, (parse_constraint("power:D<=8"),), powers)
    assert bounded.exhaustive == pytest.approx(1.0)
    assert bounded.ratio([parse_id("eSR-MAX_s2_K7_C1")]) == 0.0
    assert bounded.ratio([parse_id("eSR-MAX_s2_K7_C1"), parse_id("eSR-MAX_s2_K5_C1")]) == pytest.approx(1.0)


def test_a_search_is_told_the_noisy_values_and_scored_by_the_true_ones() -> None:
    plane = replay_table("plane", (FPS, PSNR), {k: v[:2] for k, v in ROWS.items()})
    wrong = {c: {**facts, PSNR: 60.0 - facts[PSNR]} for c, facts in plane.facts.items()}
    noisy = replace(plane, measured=wrong)
    assert TableEvaluator(noisy).evaluate(list(plane.facts)) == wrong
    assert replay(noisy, SamplerName.RANDOM, 4, 0).ratio[-1] == pytest.approx(1.0)


def test_a_table_of_two_usable_configs_is_refused() -> None:
    rows = {k: (v[0], float("nan") if "K7" in k else v[1]) for k, v in ROWS.items()}
    del rows["eSR-MAX_s2_K3_C2"]
    with pytest.raises(BadData, match="has 2 configs with fps:D and psnr:T"):
        replay_table("short", (FPS, PSNR), rows)
