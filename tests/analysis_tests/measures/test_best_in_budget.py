from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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


def table(**columns: list[object]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    usual: dict[str, list[object]] = {"config": [f"c{i}" for i in range(count)], "power_w": [1.0] * count}
    return pd.DataFrame(usual | columns)


def picked(frame: pd.DataFrame, axis: object = PSNR, **limits: float) -> str:
    choice = choose(frame, axis, **limits)  # type: ignore[arg-type]
    assert choice.pick is not None
    return str(choice.pick["config"])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_two_with_the_same_quality_the_faster_one_is_picked(order: list[int]) -> None:
    frame = table(fps=[10.0, 20.0, 15.0], **{"psnr:Set5": [33.0, 33.0, 32.0]}).iloc[order]
    assert picked(frame) == "c1"


def test_an_exact_tie_keeps_both_on_the_frontier_and_picks_the_first() -> None:
    frame = table(fps=[20.0, 20.0], **{"psnr:Set5": [33.0, 33.0]})
    choice = choose(frame, PSNR)
    assert [row["config"] for row in choice.frontier] == ["c0", "c1"]
    assert picked(frame) == "c0"


def test_where_less_is_better_the_least_wins_and_the_faster_of_equals() -> None:
    frame = table(fps=[10.0, 20.0, 30.0], **{"lpips:Set5": [0.1, 0.1, 0.5]})
    assert picked(frame, LPIPS) == "c1"
    assert [row["config"] for row in choose(frame, LPIPS).frontier] == ["c2", "c1"]


def test_limits_include_their_own_value() -> None:
    frame = table(fps=[10.0, 20.0], power_w=[5.0, 2.0], **{"psnr:Set5": [33.0, 32.0]})
    assert picked(frame, min_fps=10.0, max_watts=5.0) == "c0"
    assert picked(frame, min_fps=10.1) == "c1"
    assert picked(frame, max_watts=4.9) == "c1"


def test_only_models_fast_enough_count_as_of_unknown_power_and_none_without_a_limit() -> None:
    frame = table(fps=[10.0, 20.0, 30.0], power_w=[np.nan, np.nan, 1.0], **{"psnr:Set5": [33.0, 32.0, 31.0]})
    assert choose(frame, PSNR, min_fps=15.0, max_watts=5.0).unknown_power == 1
    assert choose(frame, PSNR).unknown_power == 0


def test_a_fact_has_plain_names_and_whole_parameters() -> None:
    row = {
        "config": "a", "fps": 10.0, "psnr:Set5": 33.0, "power_w": np.nan, "energy_j": np.inf, "memory_mib": 4,
        "parameters": 800.0, "backend": "eager",
    }  # fmt: skip
    found = fact(row, PSNR)
    assert found == {
        "config": "a", "fps": 10.0, "psnr": 33.0, "power_w": None, "energy_j": None, "memory_mib": 4.0,
        "parameters": 800, "backend": "eager", "precision": None, "disturbed": None,
    }  # fmt: skip
    assert type(found["parameters"]) is int
    assert fact({"config": "a", "precision": "fp32"}, PSNR)["precision"] == "fp32"
    assert fact({"config": "a"}, PSNR)["parameters"] is None
    known = fact({"config": "a", "power_w": 4.0, "energy_j": 2.0, "memory_mib": 8.0}, PSNR)
    assert (known["power_w"], known["energy_j"], known["memory_mib"]) == (4.0, 2.0, 8.0)
