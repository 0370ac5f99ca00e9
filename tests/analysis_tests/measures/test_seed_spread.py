from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.measures.best_in_budget import choose
from analysis.measures.seed_spread import membership, pooled
from search_space.metrics import metric

PSNR = metric("psnr:Set5")


def test_the_spread_is_that_within_configs_not_between_them() -> None:
    assert pooled([[30.0, 30.2], [40.0, 40.2]]) == pytest.approx(math.sqrt(0.02))


def test_one_value_of_a_config_says_nothing_of_the_spread() -> None:
    assert pooled([[30.0], [31.0], []]) is None
    assert pooled([[30.0, 30.2], [50.0]]) == pooled([[30.0, 30.2]])


def test_a_missing_or_infinite_value_is_left_out() -> None:
    assert pooled([[30.0, float("nan"), 30.2], [float("inf"), 31.0]]) == pooled([[30.0, 30.2]])


def test_without_error_membership_is_the_frontier() -> None:
    assert membership([[3, 1.0], [2, 2.0], [1, 1.5]], [0, 0, 0]).tolist() == [1, 1, 0]


def test_a_gap_of_one_error_of_the_difference_is_crossed_as_often_as_a_normal_deviate_says() -> None:
    # The slower one is on the frontier where its quality is higher: P(z < 1) with an error of the difference of one.
    share = membership([[2, 30.0], [1, 30.0 + math.sqrt(2)]], [1.0, 1.0], draws=4000)
    assert share[0] == 1
    assert share[1] == pytest.approx(0.8413, abs=0.02)


def test_less_may_be_better() -> None:
    assert membership([[2, 0.3], [1, 0.2], [1, 0.4]], [0, 0, 0], (True, False)).tolist() == [1, 1, 0]


def test_a_choice_says_how_sure_each_place_is_and_more_seeds_make_it_surer() -> None:
    table = pd.DataFrame({"config": ["a", "b"], "fps": [20.0, 10.0], "psnr:Set5": [30.0, 30.02], "power_w": [1.0, 1.0],
                          "repeats": [1, 1], "family": ["ESPCN", "ESPCN"]})  # fmt: skip
    once = choose(table, PSNR, spread={"": 9.0, "ESPCN": 0.02})
    often = choose(table.assign(repeats=16), PSNR, spread={"": 0.02})
    assert once.sure is not None and often.sure is not None
    assert once.sure[0] == often.sure[0] == 1
    assert 0.7 < once.sure[1] < 0.85 < 0.99 < often.sure[1]
    assert choose(table, PSNR).sure is None
    assert np.isfinite(once.sure).all()
