from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.measures.best_in_budget import choose, fact
from search_space.metrics import metric

PSNR, LPIPS = metric("psnr:Set5"), metric("lpips:Set5")
TABLE = pd.DataFrame(
    {
        "config": ["fast", "good", "cheap", "slow", "untimed", "unknown"],
        "fps": [60.0, 20.0, 19.0, 5.0, np.nan, 21.0],
        "psnr:Set5": [30.0, 33.0, 32.9, 32.0, 36.0, 33.5],
        "lpips:Set5": [0.4, 0.3, 0.2, 0.1, 0.0, 0.5],
        "power_w": [2.0, 9.0, 3.0, 2.0, 1.0, np.nan],
    }
)


def test_without_limits_the_pick_is_the_best_of_the_frontier() -> None:
    choice = choose(TABLE, PSNR)
    assert [row["config"] for row in choice.frontier] == ["fast", "unknown"]
    assert choice.pick is not None and choice.pick["config"] == "unknown"
    assert choice.considered == 5


def test_a_speed_limit_is_kept() -> None:
    choice = choose(TABLE, PSNR, min_fps=25)
    assert choice.pick is not None and choice.pick["config"] == "fast"


def test_a_power_limit_keeps_models_that_only_thirstier_ones_beat_and_counts_unknown_power() -> None:
    choice = choose(TABLE, PSNR, max_watts=5)
    assert [row["config"] for row in choice.frontier] == ["fast", "cheap"]
    assert choice.pick is not None and choice.pick["config"] == "cheap"
    assert choice.unknown_power == 1


def test_where_less_is_better_the_pick_has_the_least() -> None:
    choice = choose(TABLE, LPIPS, min_fps=10)
    assert choice.pick is not None and choice.pick["config"] == "cheap"


def test_nothing_fits_is_no_pick() -> None:
    choice = choose(TABLE, PSNR, min_fps=1000)
    assert (choice.frontier, choice.pick) == ((), None)


def test_unknown_figures_become_none() -> None:
    row = fact(TABLE.iloc[5].to_dict(), PSNR)
    assert row["psnr"] == 33.5 and row["power_w"] is None and row["parameters"] is None
