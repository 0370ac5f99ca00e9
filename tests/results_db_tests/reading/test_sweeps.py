"""The list of sweeps, and their tags and notes, on both engines."""

from __future__ import annotations

import pytest

from results_db.reading.sweeps import change, summaries
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import finish, planned


def test_a_sweep_is_listed_with_its_state_and_the_best_model_of_each_scale(store: Store) -> None:
    sweep, trials = planned(store, 3)
    (empty,) = [one for one in summaries(store) if one.row.id == sweep]
    assert (empty.state, empty.best) == ("stopped", {})
    finish(store, trials[:2])
    (half,) = summaries(store)
    assert half.state == "stopped" and half.counts.done == 2 and half.dataset == "Set5"
    assert set(half.best) == {2} and half.best[2][0].startswith("eSR-TM_s2")
    finish(store, trials[2:])
    assert summaries(store)[0].state == "done"


def test_tags_and_notes_are_kept_beside_what_a_resume_needs(store: Store) -> None:
    sweep = store.create_sweep("one", "demo", "{}", settings={"pack_size": 7})
    other = store.create_sweep("two", "demo", "{}")
    change(store, "one", ["paper", "night"], note="before the new start")
    change(store, str(other), ["night"])
    assert [one.row.name for one in summaries(store, ["night"])] == ["one", "two"]
    (one,) = summaries(store, ["night", "paper"])
    assert (one.row.id, one.tags, one.note) == (sweep, ("night", "paper"), "before the new start")
    change(store, "one", remove=["night", "paper"], note="")
    assert dict(store.sweep("one").settings) == {"pack_size": 7}
    with pytest.raises(StoreError):
        change(store, "three", ["x"])
