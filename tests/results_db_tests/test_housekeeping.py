"""Sweeps that are set aside, deleted after a backup, and the space that comes back, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.reading.results import gather
from results_db.foreign import published
from results_db.housekeeping import archive, delete, shrink, would_delete
from results_db.reading import frames, seed_means
from results_db.reading.check import faults
from results_db.reading.info import describe
from results_db.reading.sweeps import summaries
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit import published as authors
from tests.results_db_tests.kit.facts import done, finish, key, keys, planned, speed


@pytest.fixture
def two(store: Store) -> Store:
    """``one`` has the configs 1 to 3, ``two`` 3 to 4: the third is shared. All are done and timed."""
    planned(store, 3, "one")
    other = store.create_sweep("two", "demo", "{}")
    store.plan(other, keys(4)[2:])
    finish(store, [row.id for row in store.trials()])
    store.add_speeds([speed(key(n).config, 10.0 * n) for n in range(1, 5)])
    return store


def rows(store: Store) -> dict[str, int]:
    return {name: count for name, count in describe(store).rows.items() if name not in ("meta", "event")}


def shown(store: Store) -> set[str]:
    return set(gather(store).table["config"])


def test_an_archived_sweep_is_shown_only_where_it_is_named(two: Store) -> None:
    everything = shown(two)
    assert archive(two, "one").archived
    assert [one.row.name for one in summaries(two)] == ["two"]
    assert [(one.row.name, one.state) for one in summaries(two, archived=True)] == [
        ("one", "archived"),
        ("two", "done"),
    ]
    assert shown(two) == {key(3).config, key(4).config}
    finished = frames.results(two).dropna(subset="trial")
    assert set(finished["config"]) == shown(two) and set(finished["sweep"]) == {"two"}
    assert set(seed_means.means(two).dropna(subset="trial")["config"]) == shown(two)
    assert set(seed_means.planned_configs(two, "ours")) == shown(two)
    assert len(frames.results(two, sweep="one")) == 3
    archive(two, "one", undo=True)
    assert shown(two) == everything and not two.sweep("one").archived


def test_deleting_takes_what_only_the_sweep_has(two: Store) -> None:
    before = rows(two)
    told = would_delete(two, "one")
    assert (told.sweep, told.trials, told.shared, told.speeds, told.size) == ("one", 2, 1, 0, 2 * len(b"weights"))
    assert rows(two) == before
    gone, backup = delete(two, "one")
    assert gone == told and backup != "none"
    after = rows(two)
    lost = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    assert lost == {
        "sweep": 1,
        "trial": 2,
        "sweep_trial": 3,
        "attempt": 2,
        "quality": 4,
        "quality_image": 4,
        "artifact": 2,
    }
    assert shown(two) == {key(3).config, key(4).config} and faults(two) == []
    assert "deleted" in [event.kind for event in two.events()]


def test_the_backup_holds_everything(two: Store, server: object) -> None:
    before = rows(two)
    _, backup = delete(two, "one")
    if two.database.is_sqlite:
        with Store.open(backup, readonly=True) as kept:
            assert rows(kept) == before
    else:
        name = backup.split()[-1]
        assert server.admin(f"SELECT count(*) FROM {name}.trial") == [(before["trial"],)]  # type: ignore[attr-defined]
        server.admin(f"DROP SCHEMA {name} CASCADE")  # type: ignore[attr-defined]


def test_a_sweep_that_is_being_trained_is_not_deleted(store: Store) -> None:
    _, trials = planned(store, 2, "one")
    claims = store.claim(trials[:1], "driver-7", 60)
    before = rows(store)
    for attempt in (would_delete, delete):
        with pytest.raises(StoreError, match="being trained by driver-7"):
            attempt(store, "one")
    assert rows(store) == before
    store.release(claims, "driver-7")
    delete(store, "one", backup=False)
    assert store.sweeps() == []


def test_an_import_goes_with_its_speeds_and_its_measures(store: Store, tmp_path: Path) -> None:
    published.keep(store, published.read(authors.write(tmp_path / "tests.pkl", authors.document())))
    planned(store, 1, "ours")
    store.add_speeds([speed(key(1).config), speed("Bicubic_s3")])
    gone, _ = delete(store, "published", backup=False)
    assert gone.trials == 3 and gone.speeds > 0
    left = rows(store)
    assert (left["trial"], left["speed"], left["measure"], left["quality"]) == (1, 2, 0, 0)


def test_the_space_of_what_was_deleted_comes_back(store: Store) -> None:
    _, trials = planned(store, 3, "one")
    claims = store.claim(trials, "driver", 60)
    store.record([done(claim, data=bytes(range(256)) * 4096) for claim in claims])
    delete(store, "one", backup=False)
    before, after = shrink(store)
    assert after < before - 2 * 2**20 if store.database.is_sqlite else after <= before
    assert faults(store) == []
