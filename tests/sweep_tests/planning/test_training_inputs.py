"""A trial is trained with what its key says, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from results_db.store import Store
from search_space.facts import TrialKey
from sweep.planning import stored_plan
from sweep.planning.data import Data, load_data
from sweep.planning.training_inputs import refusal
from tests.sweep_tests.inside import inside as command
from tests.sweep_tests.kit import DATA, RECIPE, configs, driver, images, planned

OTHER = Data(images("train", 9), DATA.tests)
ASKED = ("--recipe", "smoke", "--steps", "2", "--no-benchmark", "--executor", "inline")


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


@pytest.mark.parametrize("part", ["recipe", "data", "code"])
def test_a_key_with_another_part_is_told_apart(part):
    basis = DATA.basis(RECIPE)
    (key,) = stored_plan.make_plan("paper", configs(1), RECIPE, DATA, root=None).keys
    assert basis.mismatch(key) == ""
    assert basis.mismatch(TrialKey(**{**vars_of(key), part: "0" * 12})) == part


def vars_of(key: TrialKey) -> dict:
    return {name: getattr(key, name) for name in ("config", "seed", "recipe", "data", "code")}


def test_a_key_of_a_family_that_is_not_here_is_of_other_code():
    basis = DATA.basis(RECIPE)
    assert basis.mismatch(TrialKey("Nobody-Knows_s2", 0, basis.recipe, basis.data, "c")) == "code"


def test_a_driver_with_other_images_trains_nothing_of_the_sweep(store):
    sweep_id = planned(store, 2)
    report = driver(store, sweep_id, data=OTHER).run()
    assert (report.done, store.counts(sweep_id).pending, store.attempts()) == (0, 2, [])


def test_a_driver_trains_only_the_trials_of_its_own_images(store):
    sweep_id = planned(store, 2)
    again = stored_plan.make_plan("paper", configs(2), RECIPE, OTHER, root=None, name="tiny")
    # As databases have it that were made before a plan of other images was refused.
    store.plan(sweep_id, again.keys)
    assert driver(store, sweep_id, data=OTHER).run().done == 2
    done = {row.key.data for row in store.trials(sweep_id) if row.state == "done"}
    assert done == {OTHER.train.digest[:12]}
    missing = [row.key for row in store.missing(sweep_id)]
    assert refusal(DATA.basis(RECIPE), missing, "tiny", store.url) == ""
    assert "not those tiny began with" in refusal(OTHER.basis(RECIPE), missing, "tiny", store.url)


@pytest.fixture
def folders(small_data: Path, tmp_path: Path) -> tuple[str, str]:
    """The same test set beside two training sets."""
    for name, seed in (("a", 1), ("b", 2)):
        shutil.copytree(small_data / "Set5", tmp_path / name / "Set5")
        (tmp_path / name / "T91").mkdir()
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / "T91" / "noise.png")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_a_run_with_other_images_under_the_name_of_a_sweep_is_refused_and_changes_nothing(folders, tmp_path):
    first, second = folders
    space = ("--space", "paper", "--family", "eSR-MAX", "--where", "K==3 and C<3", "--scale", "2")
    db = str(tmp_path / "s.db")
    asked = ("run", *space, *ASKED, "--name", "night", "--db", db)
    with Store.open(db) as store:
        chosen = command(*asked, "--data-root", first, "--dry-run", "--json")
        assert chosen.returncode == 0, chosen.stderr
        images = load_data(first)
        from workers.training.recipe import recipe_for

        recipe = recipe_for("smoke").with_changes(name="smoke-2", steps=2)
        from search_space.spaces import load_space, select

        some = select(load_space("paper").configs, ("eSR-MAX",), (2,), "K==3 and C<3")
        stored_plan.store_plan(
            store, stored_plan.make_plan("paper", some, recipe, images, root=first, name="night"), images
        )
    refused = command(*asked, "--data-root", second)
    assert refused.returncode == 2 and "the training images are not those" in refused.stderr
    with Store.open(db) as store:
        assert {(row.key.data == images.train.digest[:12], str(row.state)) for row in store.trials()} == {
            (True, "pending")
        }
    resumed = command("resume", "--executor", "inline", "--no-benchmark", "--db", db)
    assert resumed.returncode == 0 and "2 of 2 done" in resumed.stderr
