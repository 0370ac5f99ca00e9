"""A cost model says how sure it is, and is finite where its configs have much in common."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from search_space.describe import describe
from search_space.errors import SweepError
from search_space.spaces import load_space
from sweep.speed.cost_model import CostModel, Prediction, accuracy

PAPER = load_space("paper").configs
ESPCN = [config for config in PAPER if config.family == "ESPCN" and config.scale == 2]


def test_the_interval_holds_90_percent_of_a_log_normal() -> None:
    low, high = Prediction("a", 2.0, 0.1).interval
    outcomes = NormalDist(math.log(2.0), 0.1)
    assert outcomes.cdf(math.log(low)) == pytest.approx(0.05, abs=2e-4)
    assert outcomes.cdf(math.log(high)) == pytest.approx(0.95, abs=2e-4)


def test_coverage_counts_the_measurements_inside_their_own_interval() -> None:
    predictions = [Prediction("a", 1.0, 0.1)] * 4
    found = accuracy(predictions, [1.0, 1.17, 1.19, 0.5])
    assert found.covered == pytest.approx(0.5)
    assert found.median_error == pytest.approx((1 - 1 / 1.17 + 1 - 1 / 1.19) / 2)


def test_configs_that_share_a_scale_a_family_and_a_depth_give_finite_predictions() -> None:
    seconds = [1e-9 * describe(config).macs_full_hd for config in ESPCN[:20]]
    model = CostModel(ESPCN[:20], seconds)
    for one, truth in zip(
        model.predict(ESPCN[20:30]), [1e-9 * describe(c).macs_full_hd for c in ESPCN[20:30]], strict=True
    ):
        assert math.isfinite(one.seconds) and math.isfinite(one.deviation)
        assert one.seconds == pytest.approx(truth, rel=0.25)


def test_equal_times_are_predicted_as_that_time_and_not_as_noise() -> None:
    model = CostModel(ESPCN[:10], [0.25] * 10)
    for one in model.predict(ESPCN[30:40]):
        assert one.seconds == pytest.approx(0.25, rel=1e-3)
        assert 0 <= one.deviation < 0.01


def test_the_process_bends_what_the_straight_line_leaves() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 20)
    seconds = [1e-9 * describe(c).macs_full_hd * math.exp(e) for c, e in zip(ESPCN[:20], noise, strict=True)]
    model = CostModel(ESPCN[:20], seconds)
    rest = np.log(seconds) - model.offset - model.scaled(ESPCN[:20]) @ model.line
    assert model.height == pytest.approx(rest.std()) and 0.05 < model.height < 0.5


def test_features_are_scaled_to_the_measured_configs() -> None:
    model = CostModel(PAPER[::40], [1.0 + i for i in range(len(PAPER[::40]))])
    scaled = model.scaled(PAPER[::40])
    assert np.allclose(scaled.mean(0), 0, atol=1e-9)
    assert np.allclose(scaled.std(0), 1, atol=1e-9)


def test_a_model_of_too_few_or_unequal_lists_is_refused() -> None:
    with pytest.raises(SweepError, match="at least 8 measured configs, there are 7"):
        CostModel(ESPCN[:7], [1.0] * 7)
    with pytest.raises(SweepError):
        CostModel(ESPCN[:9], [1.0] * 8)
