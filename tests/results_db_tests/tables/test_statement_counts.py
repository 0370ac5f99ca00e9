"""What a call of the store costs in statements does not grow with the trials it is about, nor with those it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from results_db.states import State
from results_db.store import Store
from results_db.tables import planned_trials
from tests.results_db_tests.kit.facts import done, failed, keys

FEW, MANY = 210, 840


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """Those sent to the database within the block; many rows for one statement count once."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        seen.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(store.database.engine, "before_cursor_execute", see)


def counted(store: Store, count: int, work: Callable[[Store, int, list[int]], object]) -> int:
    """Statements of ``work`` on a sweep of its own with so many trials."""
    sweep = store.create_sweep(f"of {count}", "demo", "{}")
    store.plan(sweep, keys(count, recipe=f"r{count}"))
    trials = [row.id for row in store.trials(sweep)]
    with statements(store) as seen:
        work(store, sweep, trials)
    return len(seen)


def plan(store: Store, sweep: int, trials: list[int]) -> None:
    planned = store.plan(sweep, keys(2 * len(trials), recipe=f"r{len(trials)}"))
    assert (planned.created, planned.already) == (len(trials), len(trials))


def claim_and_release(store: Store, sweep: int, trials: list[int]) -> None:
    assert store.release(store.claim(trials, "a", 60), "a") == len(trials)


def expire(store: Store, sweep: int, trials: list[int]) -> None:
    store.claim(trials, "dead", -1)
    assert store.expire_leases() == trials


def fail_and_excuse(store: Store, sweep: int, trials: list[int]) -> None:
    claims = store.claim(trials, "a", 60)
    store.record([failed(claim) for claim in claims])
    assert store.excuse([(claim.trial, claim.attempt) for claim in claims], "its node was broken") == trials


def record(store: Store, sweep: int, trials: list[int]) -> None:
    store.record([done(claim) for claim in store.claim(trials, "a", 60)])
    assert store.counts(sweep).done == len(trials)


@pytest.mark.parametrize("work", [plan, claim_and_release, expire, fail_and_excuse, record])
def test_the_statements_of_a_call_do_not_grow_with_its_trials(
    store: Store, work: Callable[[Store, int, list[int]], None]
) -> None:
    counted(store, FEW - 1, work)  # names the measures
    few = counted(store, FEW, work)
    assert counted(store, MANY, work) == few <= 20


def test_only_the_trials_asked_for_are_read(store: Store) -> None:
    sweep = store.create_sweep("s", "demo", "{}")
    store.plan(sweep, keys(30))
    trials = [row.id for row in store.trials(sweep)]
    store.claim(trials[:3], "a", 60)
    assert [row.id for row in store.some_trials([trials[9], trials[0]])] == [trials[0], trials[9]]
    assert [row.id for row in store.some_trials(trials, (State.RUNNING,))] == trials[:3]
    assert store.owners(sweep) == {"a": 3}


def test_pages_are_all_trials_of_a_state_each_once(store: Store) -> None:
    sweep, other = (store.create_sweep(name, "demo", "{}") for name in ("s", "other"))
    store.plan(other, keys(5, recipe="r2"))
    store.plan(sweep, keys(30))
    trials = [row.id for row in store.trials(sweep)]
    store.claim(trials[4:7], "a", 60)
    read, after = list[int](), 0
    while page := store.page(sweep, State.PENDING, after, 8):
        assert len(page) <= 8
        read += [row.id for row in page]
        after = page[-1].id
    assert read == [*trials[:4], *trials[7:]]


def test_trials_are_counted_by_all_of_their_key_but_the_seed(store: Store) -> None:
    sweep = store.create_sweep("s", "demo", "{}")
    store.plan(sweep, [*keys(2), *keys(2, seed=3), *keys(1, code="c2")])  # type: ignore[arg-type]
    store.claim([store.trials(sweep)[0].id], "a", 60)
    found = {(g.key.config[-2:], g.key.code, g.state): (g.key.seed, g.count) for g in store.groups(sweep)}
    assert found == {
        ("C1", "c1", State.RUNNING): (0, 1),
        ("C1", "c1", State.PENDING): (3, 1),
        ("C2", "c1", State.PENDING): (0, 2),
        ("C1", "c2", State.PENDING): (0, 1),
    }
    assert [g.count for g in store.groups(sweep, (State.RUNNING,))] == [1]


def test_trials_of_another_sweep_are_shared(store: Store) -> None:
    mine, other = (store.create_sweep(name, "demo", "{}") for name in ("mine", "other"))
    store.plan(other, keys(3))
    planned = store.plan(mine, [*keys(3), *keys(2, recipe="r2")])
    assert (planned.created, planned.shared, planned.already) == (2, 3, 0)
    assert store.plan(mine, keys(3)).already == 3
    assert [row.id for row in store.trials(mine)] == sorted(store.trial_ids([*keys(3), *keys(2, recipe="r2")]).values())


def test_trials_that_another_process_plans_at_the_same_moment_are_shared(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    mine, other = (store.create_sweep(name, "demo", "{}") for name in ("mine", "other"))
    store.plan(other, keys(3))
    look, looks = planned_trials._stored_ids, list[int]()

    def late(*arguments: Any) -> Any:
        looks.append(len(looks))
        return {} if len(looks) == 1 else look(*arguments)

    monkeypatch.setattr(planned_trials, "_stored_ids", late)
    planned = store.plan(mine, keys(5))
    assert (planned.created, planned.shared, planned.already) == (2, 3, 0)
    assert store.counts(mine).planned == store.counts().planned == 5
