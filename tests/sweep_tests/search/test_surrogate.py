"""What a model makes of few trials."""

from __future__ import annotations

import numpy as np
import pytest

from search_space.spaces import load_space, select
from sweep.search.features import features
from sweep.search.surrogate import DOUBT, Prior, Surrogate

CONFIGS = select(load_space("paper").configs, scale=[2])


@pytest.mark.parametrize(("trials", "doubt"), [(4, 0.35), (8, 0.35), (14, 0.675), (20, 1.0), (30, 1.0)])
def test_a_prediction_of_quality_is_doubted_less_as_trials_grow(trials: int, doubt: float) -> None:
    told = features(CONFIGS)
    size = told.size + 0.1 * np.random.default_rng(0).standard_normal(len(CONFIGS))
    tried = np.random.default_rng(1).permutation(len(CONFIGS))[:trials].tolist()
    grown = Surrogate(told, draws=8, trend=1.0).posterior(tried, size[tried])
    plain = Surrogate(told, draws=8, trend=1.0, prior=Prior(doubt=DOUBT)).posterior(tried, size[tried])
    assert grown.mean == pytest.approx(plain.mean)
    assert grown.sd / plain.sd == pytest.approx(doubt / DOUBT)
