from __future__ import annotations

import pytest

from results_db.records import Counts, Planned
from results_db.states import State
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import finish, key, keys, planned


def test_planning_again_changes_nothing(store: Store) -> None:
    sweep = store.create_sweep("demo", "demo", "{}")
    assert store.plan(sweep, keys(5)) == Planned(created=5, shared=0, already=0)
    assert store.plan(sweep, keys(5)) == Planned(created=0, shared=0, already=5)
    assert store.counts(sweep) == Counts(planned=5, pending=5, running=0, done=0, failed=0)


def test_a_key_named_twice_is_one_trial(store: Store) -> None:
    sweep = store.create_sweep("demo", "demo", "{}")
    assert store.plan(sweep, [key(1), key(1)]).created == 1


def test_two_sweeps_share_the_result_of_the_same_key(store: Store) -> None:
    first, trials = planned(store, 3, "first")
    finish(store, trials)
    second = store.create_sweep("second", "demo", "{}")
    assert store.plan(second, keys(4)) == Planned(created=1, shared=3, already=0)
    assert store.counts(second).done == 3
    assert [row.key for row in store.missing(second)] == [key(4)]
    assert store.counts(first).planned == 3


def test_a_changed_recipe_or_code_is_another_trial(store: Store) -> None:
    sweep, trials = planned(store, 2)
    finish(store, trials)
    assert store.plan(sweep, keys(2, recipe="r2")).created == 2
    assert store.plan(sweep, keys(2, code="c2")).created == 2
    assert store.counts(sweep) == Counts(planned=6, pending=4, running=0, done=2, failed=0)


def test_many_keys_plan_as_few_do(store: Store) -> None:
    sweep = store.create_sweep("many", "demo", "{}")
    many = [key(1 + n % 16, seed=n // 16) for n in range(2000)]
    assert store.plan(sweep, many).created == 2000
    assert store.plan(sweep, many).already == 2000
    assert [row.key for row in store.missing(sweep)] == many
    assert len(store.trial_ids(many)) == 2000


def test_a_sweep_of_the_same_name_is_the_same_sweep(store: Store) -> None:
    first = store.create_sweep("demo", "demo", '{"steps": 1}', settings={"seed": 3})
    assert store.create_sweep("demo", "demo", '{"steps": 1}') == first
    row = store.sweep("demo")
    assert (row.id, row.space, row.settings["seed"]) == (first, "demo", 3)


def test_a_sweep_of_the_same_name_with_another_recipe_is_refused(store: Store) -> None:
    store.create_sweep("demo", "demo", '{"steps": 1}')
    with pytest.raises(StoreError, match="another recipe"):
        store.create_sweep("demo", "demo", '{"steps": 2}')
    with pytest.raises(StoreError, match="another space"):
        store.create_sweep("demo", "paper", '{"steps": 1}')


def test_passwords_in_settings_are_not_kept(store: Store) -> None:
    store.create_sweep(
        "demo", "demo", "{}", settings={"db": "postgresql+psycopg://me:hunter2@host/x", "token": "abc123"}
    )
    kept = str(store.sweep("demo").settings)
    assert "hunter2" not in kept and "abc123" not in kept


def test_a_users_program_in_settings_is_kept_to_the_letter(store: Store) -> None:
    source = "token = self.K\npassword = dict(a=1)\n"
    store.create_sweep("demo", "demo", "{}", settings={"token": "abc123", "user_code": [{"source": source}]})
    assert store.sweep("demo").settings == {"token": "***", "user_code": [{"source": source}]}


def test_an_unknown_sweep_is_named_with_those_there_are(store: Store) -> None:
    store.create_sweep("demo", "demo", "{}")
    with pytest.raises(StoreError, match=r"no sweep 'other' here \(there are: demo\)"):
        store.sweep("other")


def test_missing_names_all_without_a_result(store: Store) -> None:
    sweep, trials = planned(store, 4)
    finish(store, trials[:1])
    store.claim(trials[1:2], "driver", 60)
    states = [row.state for row in store.missing(sweep)]
    assert states == [State.RUNNING, State.PENDING, State.PENDING]
