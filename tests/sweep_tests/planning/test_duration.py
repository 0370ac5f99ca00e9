"""The time a sweep will take is judged by what is known, and grows with the work."""

from __future__ import annotations

import pytest

from search_space import parse_id
from search_space.describe import describe
from search_space.facts import TrialKey
from search_space.spaces import load_space
from sweep.planning import duration
from sweep.planning.duration import Estimate, from_history, in_words, probe
from sweep.planning.packs import trial_keys
from tests.sweep_tests.kit import RECIPE
from workers.training.recipe import recipe_for

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


def test_a_probe_names_its_configs_and_grows_with_steps_and_trials():
    few = probe(KEYS[:6], RECIPE.with_changes(steps=100))
    assert few.seconds > 0 and any(key.config in few.how for key in KEYS[:6])
    assert probe(KEYS[:6], RECIPE.with_changes(steps=0)).seconds == 0


def test_bicubic_takes_no_training():
    only = trial_keys(PAPER[:3], (0,), "r", "d", lambda config: "c")
    assert {key.config.split("_")[0] for key in only} == {"Bicubic"}
    assert probe(only, RECIPE).seconds == 0


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


def test_a_probe_draws_a_line_through_a_cheap_a_middling_and_a_costly_config(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [*(f"eSR-MAX_s2_K3_C{n}" for n in (1, 2, 3, 4, 5)), "Bicubic_s2"]
    asked: list[str] = []

    def timed(config: object, recipe: object) -> float:
        asked.append(str(config))
        return 0.001 + 2e-12 * macs(str(config))

    monkeypatch.setattr(duration, "_seconds_per_step", timed)
    recipe = recipe_for("smoke").with_changes(steps=100)
    found = probe([key(config) for config in configs], recipe)
    assert asked == [configs[0], configs[2], configs[4]]
    assert found.seconds == pytest.approx(sum(100 * (0.001 + 2e-12 * macs(c)) for c in configs[:5]))
    assert found.how == f"judged by a few steps each of {', '.join(asked)} here, each alone on one CPU"


def test_a_probe_of_one_config_takes_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "_seconds_per_step", lambda config, recipe: 0.5)
    found = probe([key(FIRST)] * 3, recipe_for("smoke").with_changes(steps=10))
    assert found.seconds == pytest.approx(15.0)


def test_time_that_falls_with_work_is_taken_as_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duration, "_seconds_per_step", lambda config, recipe: 1e6 / macs(str(config)))
    found = probe([key(FIRST), key(THIRD)], recipe_for("smoke").with_changes(steps=1))
    assert found.seconds >= 2e-6


@pytest.mark.parametrize("what", ["nothing", "bicubic", "no steps"])
def test_where_nothing_is_trained_it_is_said(what: str) -> None:
    keys = {"nothing": [], "bicubic": [key("Bicubic_s2")], "no steps": [key(FIRST)]}[what]
    recipe = recipe_for("smoke").with_changes(steps=0 if what == "no steps" else 5)
    assert probe(keys, recipe) == Estimate(0.0, "there is nothing to train")


def test_a_step_is_really_timed_and_leaves_the_threads_as_they_were() -> None:
    import torch

    before = torch.get_num_threads()
    found = probe([key(FIRST)], recipe_for("smoke").with_changes(steps=1000))
    assert 0.01 < found.seconds < 1000
    assert torch.get_num_threads() == before
