"""An open sweep answers for the trials it was opened for, and only for those."""

from __future__ import annotations

import pytest

from results_db.store import Store
from search_space.errors import SweepError
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.planning.open_sweep import OpenSweep, find_row
from tests.sweep_tests import kit


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as opened:
        yield opened


def test_only_the_chosen_trials_are_missing_and_counted(store):
    sweep_id = kit.planned(store, 4)
    whole = OpenSweep.of(store, sweep_id, kit.DATA)
    ids = [row.id for row in whole.missing()]
    part = OpenSweep.of(store, sweep_id, kit.DATA, ids[:1])
    assert [row.id for row in part.missing()] == ids[:1]
    assert (whole.counts().planned, part.counts().planned) == (4, 1)
    assert (whole.others_missing(whole.counts()), part.others_missing(part.counts())) == (0, 3)


def test_a_plan_is_opened_with_its_own_trials(store):
    kit.planned(store, 4)
    plan = stored_plan.make_plan("paper", kit.configs(2), kit.RECIPE, kit.DATA, root=None, name="tiny")
    sweep = stored_plan.open_plan(store, plan, kit.DATA)
    assert {row.key.config for row in sweep.missing()} == {config.id for config in kit.configs(2)}
    assert sweep.others_missing(sweep.counts()) == 2


def test_trials_of_other_images_are_not_missing_here(store):
    sweep_id = kit.planned(store, 2)
    other = Data(kit.images("train", 9), kit.DATA.tests)
    assert OpenSweep.of(store, sweep_id, other).missing() == []


def test_finished_trials_without_a_test_set_are_unmeasured_on_it(store):
    sweep_id = kit.planned(store, 2)
    kit.driver(store, sweep_id).run()
    first, second = (row.id for row in store.trials(sweep_id))
    part = OpenSweep.of(store, sweep_id, kit.DATA, [second])
    assert part.unmeasured(kit.images("more", 6)) == [second] and part.unmeasured(kit.DATA.tests[0]) == []
    assert first not in part.unmeasured(kit.images("more", 6))


def test_the_newest_sweep_is_meant_without_a_name(store):
    with pytest.raises(SweepError, match="no sweep of ours yet"):
        find_row(store)
    kit.planned(store, 1)
    plan = stored_plan.make_plan("paper", kit.configs(1), kit.RECIPE, kit.DATA, root=None, name="later")
    stored_plan.store_plan(store, plan, kit.DATA)
    assert (find_row(store).name, find_row(store, "tiny").name) == ("later", "tiny")
