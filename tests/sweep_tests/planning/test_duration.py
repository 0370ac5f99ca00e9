"""The time a sweep will take is judged by what is known, and grows with the work."""

from __future__ import annotations

import pytest

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.facts import TrialKey
from search_space.spaces import load_space
from sweep.planning.duration import Estimate, from_history
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


def key(config: str) -> TrialKey:
    return TrialKey(config, 0, "r", "d", "c")


def macs(config: str) -> float:
    return float(describe(parse_id(config)).macs_full_hd)


FIRST, SECOND, THIRD, OTHER = (f"eSR-MAX_s2_K3_C{n}" for n in (1, 2, 3, 4))


def test_unequal_rates_give_the_median_one_and_known_configs_their_own_time() -> None:
    history = {FIRST: 1e-9 * macs(FIRST), SECOND: 2e-9 * macs(SECOND), THIRD: 90e-9 * macs(THIRD)}
    found = from_history([key(OTHER), key(THIRD)], history)
    assert found is not None
    assert found.seconds == pytest.approx(2e-9 * macs(OTHER) + history[THIRD], rel=1e-9)
    assert found.how == "judged by 3 finished trials"


def test_trials_that_took_no_time_tell_no_rate() -> None:
    history = {FIRST: 1.0, SECOND: 1.0, THIRD: 0.0}
    assert from_history([key(OTHER)], history) is None
    found = from_history([key(THIRD)], history | {OTHER: 2.0})
    assert found is not None and found.seconds > 0


def test_work_is_shared_among_workers_and_no_worker_counts_as_one() -> None:
    assert [Estimate(12.0, "").on(n) for n in (0, 1, 4)] == [12.0, 12.0, 3.0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"),
        (48 * 3600 - 1, "48.0 h"), (48 * 3600, "2.0 days"), (144_190, "40.1 h"), (8_644_372, "100.1 days"),
    ],
)  # fmt: skip
def test_the_unit_changes_where_the_next_one_reads_better(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
