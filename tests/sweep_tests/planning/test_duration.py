"""The time a sweep will take is judged by what is known, and grows with the work."""

from __future__ import annotations

import pytest

from search_space.describe import describe
from search_space.spaces import load_space
from sweep.planning.duration import from_history
from sweep.planning.in_words import in_words
from sweep.planning.packs import trial_keys

PAPER = load_space("paper").configs
KEYS = trial_keys(PAPER[::50], (0,), "r", "d", lambda config: "c")


def test_history_of_too_few_trials_is_no_ground():
    assert from_history(KEYS, {"eSR-MAX_s2_K3_C1": 1.0, "eSR-MAX_s2_K3_C2": 2.0}) is None


def test_a_config_without_history_takes_the_rate_of_the_others():
    known = {config.id: describe(config).macs_full_hd * 1e-9 for config in PAPER[100:110]}
    found = from_history(KEYS, known)
    assert found is not None
    wanted = sum(describe(config).macs_full_hd for config in PAPER[::50]) * 1e-9
    assert found.seconds == pytest.approx(wanted, rel=1e-6)
    assert found.on(4) == pytest.approx(wanted / 4)


def test_a_time_is_said_in_words():
    assert [in_words(s) for s in (5, 89, 3000, 100_000, 1e6)] == ["5 s", "89 s", "50 min", "27.8 h", "11.6 days"]
