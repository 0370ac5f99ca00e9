"""What a model is told of a config."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from search_space import parse_id
from search_space.spaces import load_space, select
from sweep.search.features import cost_features, features
from sweep.search.surrogate import Surrogate

CONFIGS = select(load_space("paper").configs, scale=[2])


def test_costs_are_explained_by_what_the_layers_move() -> None:
    ids = ("ESPCN_s2_D4_S12", "ESPCN_s2_D22_S32", "eSR-MAX_s2_K3_C2")
    found = cost_features([parse_id(text) for text in ids])
    assert found is not None
    # Maps in and out of each layer: 1-4-12-4, 1-22-32-4, 1-8.
    moved = np.log([5 + 16 + 16, 23 + 54 + 36, 9])
    widest = np.log([16, 54, 9])
    for column, values in ((1, moved), (4, widest)):
        assert found.shared[:, column] == pytest.approx((values - values.mean()) / values.std())


def test_a_speed_that_follows_what_is_moved_is_learnt_from_fewer_trials() -> None:
    moved = [sum(conv.c_in + conv.c_out for conv in config.convs() or ()) for config in CONFIGS]
    speed = -np.log(np.array(moved) + 20.0)
    tried = np.random.default_rng(0).permutation(len(CONFIGS))[:12].tolist()
    error = {}
    for told in (False, True):
        seen = cost_features(CONFIGS) if told else features(CONFIGS)
        assert seen is not None
        believed = Surrogate(seen, warped=False, trend=-1.0).posterior(tried, speed[tried]).median()
        error[told] = float(np.abs(believed - speed).mean())
    assert error[True] < 0.7 * error[False]


def test_a_family_whose_layers_are_not_told_has_no_such_features() -> None:
    @dataclass(frozen=True)
    class Opaque:
        family = "Opaque"

        def convs(self) -> None:
            return None

    assert cost_features([Opaque()]) is None  # type: ignore[list-item]
