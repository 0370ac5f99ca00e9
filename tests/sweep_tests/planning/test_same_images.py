"""A sweep has one set of training images: others are refused, and nothing is added to it."""

from __future__ import annotations

import pytest

from results_db.store import Store
from search_space.errors import SweepError
from sweep.planning import stored_plan
from sweep.planning.data import Data
from tests.sweep_tests.kit import DATA, RECIPE, configs, images, planned


def test_changed_training_images_are_refused_under_the_same_name(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as store:
        planned(store, 2)
        changed = Data(images("train", 7), DATA.tests)
        plan = stored_plan.make_plan("paper", configs(3), RECIPE, changed, root=None, name="tiny")
        with pytest.raises(SweepError, match="training images are not those that sweep 'tiny'"):
            stored_plan.store_plan(store, plan, changed)
        assert store.counts().planned == 2
        # The same images with more configs are welcome.
        more = stored_plan.make_plan("paper", configs(3), RECIPE, DATA, root=None, name="tiny")
        stored_plan.store_plan(store, more, DATA)
        assert store.counts().planned == 3
