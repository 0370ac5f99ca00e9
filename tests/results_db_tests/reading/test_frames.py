from __future__ import annotations

import pytest

from results_db.reading import frames
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import failed, finish, planned, quality, speed

CONFIG = "eSR-TM_s2_K5_C1"


def test_an_empty_store_gives_an_empty_frame(store: Store) -> None:
    table = frames.results(store)
    assert len(table) == 0
    assert {"config", "family", "scale", "fps", "psnr:Set5"} - set(table.columns) == {"psnr:Set5"}


def test_only_finished_trials_are_there(store: Store) -> None:
    sweep, trials = planned(store, 4)
    finish(store, trials[:2])
    store.record([failed(one) for one in store.claim(trials[2:3], "a", 60)])
    table = frames.results(store, sweep=sweep)
    assert table["trial"].tolist() == trials[:2]
    assert table["family"].tolist() == ["eSR-TM", "eSR-TM"]
    assert table["scale"].tolist() == [2, 2]
    assert table["seconds"].tolist() == [1.5, 1.5]
    assert table["fps"].isna().all()


def test_a_speed_stands_beside_every_trial_of_its_config(store: Store) -> None:
    sweep, trials = planned(store, 2)
    finish(store, trials)
    store.add_speeds([speed(CONFIG, 30.0), speed(CONFIG, 9.0, device="other", power_w=4.0)])
    table = frames.results(store, sweep=sweep)
    assert table[["config", "device"]].fillna("-").values.tolist() == [
        [CONFIG, "board"],
        [CONFIG, "other"],
        ["eSR-TM_s2_K5_C2", "-"],
    ]
    chosen = frames.results(store, device="other")
    assert chosen["power_w"].fillna(0).tolist() == [4.0, 0.0]


def test_a_speed_without_a_trial_is_there_when_no_sweep_is_asked_for(store: Store) -> None:
    sweep, _ = planned(store, 1)
    store.add_speeds([speed("Bicubic_s3", 500.0)])
    assert frames.results(store)["config"].tolist() == ["Bicubic_s3"]
    assert frames.results(store)["scale"].tolist() == [3]
    assert len(frames.results(store, sweep=sweep)) == 0


def test_figures_of_two_protocols_are_two_rows_and_never_mixed(store: Store) -> None:
    _, trials = planned(store, 1)
    finish(store, trials)
    store.add_trial_qualities(trials[0], [quality(CONFIG, 20.0, protocol="y-v2")])
    table = frames.results(store).set_index("protocol")
    assert table["psnr:Set5"].to_dict() == {"y-v1": 33.0, "y-v2": 20.0}
    assert frames.results(store, protocol="y-v2")["psnr:Set5"].tolist() == [20.0]


def test_a_chart_reads_only_the_metric_it_draws(store: Store) -> None:
    _, trials = planned(store, 2)
    finish(store, trials)
    table = frames.results(store, metrics=["psnr:Set5"])
    assert [name for name in table.columns if ":" in name] == ["psnr:Set5"]
    assert table["psnr:Set5"].tolist() == [33.0, 33.0]


def test_more_measures_than_a_join_can_take_are_all_there(store: Store) -> None:
    _, trials = planned(store, 2)
    finish(store, trials)
    many = [quality(CONFIG, float(n), dataset=f"set{n}") for n in range(90)]
    store.add_trial_qualities(trials[0], many)
    table = frames.results(store)
    assert [table.loc[0, f"psnr:set{n}"] for n in range(90)] == [float(n) for n in range(90)]
    assert len(table) == 2


def test_trials_of_two_sweeps_name_the_sweep_asked_for(store: Store) -> None:
    _, trials = planned(store, 1, "first")
    finish(store, trials)
    second, _ = planned(store, 1, "second")
    assert frames.results(store, sweep=second)["sweep"].tolist() == ["second"]
    assert frames.results(store, sweep="first")["sweep"].tolist() == ["first"]
    assert frames.results(store)["sweep"].tolist() == ["first"]


def test_unknown_numbers_are_nan_and_unknown_texts_are_missing(store: Store) -> None:
    _, trials = planned(store, 1)
    finish(store, trials)
    table = frames.results(store)
    assert table["parameters"].dtype == "float64" and table["parameters"].isna().all()
    assert table["device"].isna().all()


def test_attempts_come_as_a_frame_too(store: Store) -> None:
    sweep, trials = planned(store, 2)
    finish(store, trials[:1])
    store.record([failed(one) for one in store.claim(trials[1:], "a", 60)])
    table = frames.attempts(store, sweep)
    assert table["outcome"].tolist() == ["done", "failed"]
    assert table["failure"].fillna("").tolist() == ["", "oom"]
    assert (table["ended_at"] >= table["started_at"]).all()


def test_a_frame_of_an_unknown_sweep_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no sweep"):
        frames.results(store, sweep="nothing")
