from __future__ import annotations

import pandas as pd
import pytest

from results_db.reading import frames, seed_means
from results_db.records import Source
from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Done, TrialKey
from tests.results_db_tests.kit.facts import finish, key, planned, quality, speed

ONE, TWO, THREE = (f"eSR-TM_s2_K5_C{n}" for n in (1, 2, 3))


@pytest.fixture
def mixed(store: Store) -> Store:
    """Seeds with other figures, a figure that is missing, two protocols, two sources, speeds of two devices."""
    sweep = store.create_sweep("seeds", "demo", "{}")
    store.plan(sweep, [TrialKey(config, seed, "r", "d", "c") for seed in (0, 1, 2) for config in (ONE, TWO, THREE)])
    for i, claim in enumerate(store.claim([row.id for row in store.trials(sweep)][:8], "a", 60)):
        config = claim.key.config
        figures = [quality(config, 30.0 + i), quality(config, 0.8 + i / 100, metric="ssim")]
        if i == 3:
            figures = figures[1:]
        if i == 4:
            figures = [quality(config, 20.0, protocol="y-v2")]
        if i == 5:
            figures = []
        store.record([Done(claim.trial, claim.attempt, tuple(figures), (), 1.0 + i, 10, "node")])
    other = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
    store.add_qualities(other, [quality(ONE, 40.0)], Source.PUBLISHED, parameters={ONE: 7})
    store.add_speeds([speed(ONE, 30.0), speed(ONE, 9.0, device="other", power_w=4.0), speed(TWO, 5.0)])
    return store


@pytest.mark.parametrize("sweep", [None, "seeds", "paper"])
@pytest.mark.parametrize("metrics", [None, ["psnr:Set5"], []])
def test_means_are_those_of_the_rows(mixed: Store, sweep: str | None, metrics: list[str] | None) -> None:
    rows = frames.results(mixed, sweep=sweep, metrics=metrics)
    names = [column for column in rows.columns if ":" in column]
    group = ["config", "source", "protocol", "device", "backend", "precision"]
    expected = rows.groupby(group, dropna=False, as_index=False).agg(
        dict.fromkeys(names, "mean")
        | {"trial": ["max", "size"], "fps": "max", "power_w": "max", "seconds": "last", "parameters": "last"}
        | {"family": "last", "scale": "last"}
    )
    expected.columns = [f"{a}-{b}" if (a, b) == ("trial", "size") else a for a, b in expected.columns]
    expected = expected.rename(columns={"trial-size": "repeats"})
    found = seed_means.means(mixed, sweep, metrics=metrics)
    for table in (expected, found):
        table.sort_values(group, inplace=True, ignore_index=True)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)


def test_configs_that_are_wanted_are_those_of_the_sources_sweeps(mixed: Store) -> None:
    assert sorted(seed_means.planned_configs(mixed, "ours")) == [ONE, TWO, THREE]
    assert seed_means.planned_configs(mixed, "published") == [ONE]
    assert seed_means.planned_configs(mixed, "published", "seeds") == []
    assert sorted(seed_means.planned_configs(mixed, "ours", "1")) == [ONE, TWO, THREE]


def test_an_empty_store_has_no_means_and_wants_nothing(store: Store) -> None:
    assert len(seed_means.means(store)) == 0
    assert seed_means.planned_configs(store, "ours") == []


def test_means_of_an_unknown_sweep_are_refused(store: Store) -> None:
    planned(store)
    with pytest.raises(StoreError, match="there are: demo"):
        seed_means.means(store, "other")


def test_unfinished_trials_are_not_counted(store: Store) -> None:
    sweep, trials = planned(store, 3)
    finish(store, trials[:1])
    found = seed_means.means(store, sweep)
    assert found["config"].tolist() == [key(1).config]
    assert found["repeats"].tolist() == [1]
