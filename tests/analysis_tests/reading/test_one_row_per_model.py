"""A chart has one row per model: one protocol, seeds averaged, the newest of them named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.reading.results import Results, gather, gather_means
from analysis.reading.selection import Selection
from results_db.store import Store
from search_space.errors import SweepError
from search_space.facts import Done, Quality, TrialKey

CONFIG, OTHER = "eSR-TM_s2_K5_C4", "eSR-TM_s2_K5_C8"
WAYS = pytest.mark.parametrize("way", [gather, gather_means])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


def psnr(config: str, value: float, protocol: str) -> Quality:
    return Quality(config, "Set5", "psnr", value, "dB", protocol)


def finish(store: Store, values: dict[tuple[str, int], float], protocol: str = "y-v1") -> list[int]:
    sweep = store.create_sweep("s", "demo", "{}")
    store.plan(sweep, [TrialKey(config, seed, "r", "d", "c") for config, seed in values])
    ids = [row.id for row in store.missing(sweep)]
    for number, claim in enumerate(store.claim(ids, "test", 60)):
        value = values[claim.key.config, claim.key.seed]
        found = (psnr(claim.key.config, value, protocol),)
        store.record([Done(claim.trial, claim.attempt, found, (), 10.0 * (number + 1), 100 + number, f"node-{number}")])
    return ids


Way = Callable[[Store, Selection], Results]


@WAYS
def test_figures_of_two_quality_protocols_are_never_in_one_chart(store: Store, way: Way) -> None:
    one, two = finish(store, {(CONFIG, 0): 30.0, (OTHER, 0): 31.0})
    store.add_trial_qualities(one, [psnr(CONFIG, 20.0, "y-v2")])
    usual = way(store, Selection())
    assert (usual.protocol, len(usual.table)) == ("y-v1", 2)
    assert dict(zip(usual.table["config"], usual.table["psnr:Set5"], strict=True)) == {CONFIG: 30.0, OTHER: 31.0}
    chosen = way(store, Selection(protocol="y-v2")).table
    assert chosen[["config", "psnr:Set5"]].values.tolist() == [[CONFIG, 20.0]]
    with pytest.raises(SweepError, match="there is y-v1, y-v2"):
        way(store, Selection(protocol="y-v3"))
    assert two


@WAYS
def test_seeds_are_averaged_and_the_newest_trial_is_named(store: Store, way: Way) -> None:
    ids = finish(store, {(CONFIG, 0): 30.0, (CONFIG, 1): 31.0, (CONFIG, 2): 35.0})
    row = way(store, Selection()).table.iloc[0]
    assert row["psnr:Set5"] == pytest.approx(32.0)
    assert (row["trial"], row["seconds"], row["steps"]) == (ids[2], 30.0, 102)
