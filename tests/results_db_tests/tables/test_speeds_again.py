"""A network that is measured again has the new figures and the new time."""

from __future__ import annotations

import time

from results_db.reading import frames
from results_db.store import Store
from tests.results_db_tests.kit.facts import speed

CONFIG = "eSR-TM_s2_K5_C1"


def test_a_newer_speed_replaces_every_figure_and_the_time_of_the_older_one(store: Store) -> None:
    first = speed(CONFIG, 30.0, power_w=4.0, seconds_median=1 / 30)
    assert store.add_speeds([first]).new == 1
    before = frames.results(store).iloc[0]
    time.sleep(0.05)
    added = store.add_speeds([speed(CONFIG, 40.0, energy_j=2.0)])
    assert (added.new, added.same, added.different) == (0, 0, 1)
    after = frames.results(store).iloc[0]
    assert after["measured_at"] > before["measured_at"]
    assert (after["fps"], after["energy_j"]) == (40.0, 2.0)
    assert after[["power_w", "seconds_median"]].isna().all()
    assert len(store.speeds()) == 1


def test_the_same_figures_measured_again_have_the_new_time_too(store: Store) -> None:
    store.add_speeds([speed(CONFIG, 30.0)])
    before = frames.results(store)["measured_at"].item()
    time.sleep(0.05)
    added = store.add_speeds([speed(CONFIG, 30.0)])
    assert (added.new, added.same, added.different) == (0, 1, 0)
    assert frames.results(store)["measured_at"].item() > before
