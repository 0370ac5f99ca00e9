"""Another process can tell from the database alone how many training steps of a sweep are done."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from results_db.records import Position
from results_db.states import State
from results_db.store import Store
from search_space import parse_id
from search_space.facts import Checkpoint, Failed, Failure
from sweep.planning.stored_progress import stored_progress
from sweep.planning.training_progress import step_cost
from tests.results_db_tests.kit.facts import done
from tests.sweep_tests.inside import inside as command
from tests.sweep_tests.kit import RECIPE, planned

SMALL, LARGE = "eSR-MAX_s2_K3_C1", "eSR-MAX_s2_K3_C4"
HUNDRED = RECIPE.with_changes(steps=100)


def states(**counts: dict[str, int]) -> dict[State, dict[str, int]]:
    return {state: counts.get(state.value, {}) for state in State}


def test_steps_are_those_of_finished_trials_and_of_stored_states():
    where = [Position(7, LARGE, 40, 20.0, False, 0.0, 0)]
    known = stored_progress(HUNDRED, states(done={SMALL: 2}, pending={LARGE: 1}), where)
    assert (known.progress.steps, known.progress.steps_planned) == (240, 300)
    small, large = step_cost(parse_id(SMALL)), step_cost(parse_id(LARGE))
    assert known.progress.work == pytest.approx(200 * small + 40 * large)
    assert known.left_s is None and known.steps_per_s == 0, "nothing runs"


def test_the_time_left_follows_from_the_packs_that_run_since_they_began():
    where = [Position(7, LARGE, 40, 20.0, True, 10.0, 20), Position(8, LARGE, 40, 20.0, True, 10.0, 20)]
    known = stored_progress(HUNDRED, states(running={LARGE: 2}), where)
    assert known.steps_per_s == pytest.approx(4.0) and known.left_s == pytest.approx(120 / 4.0)


def test_trials_that_failed_for_good_are_not_waited_for():
    known = stored_progress(HUNDRED, states(done={SMALL: 1}, failed={LARGE: 5}), [])
    assert known.progress.share == 1.0 and known.left_s == 0.0


def test_status_counts_the_steps_of_trials_in_training(tmp_path):
    db = str(tmp_path / "s.db")
    with Store.open(db) as store:
        sweep = planned(store, recipe=HUNDRED)
        first, second, third, *_ = [row.id for row in store.trials(sweep)]
        claims = {claim.trial: claim for claim in store.claim([first, second, third], "me:1:2", 60)}
        assert store.record([done(claims[first])]).accepted
        store.save_checkpoints([Checkpoint(second, 1, 30, b"x"), Checkpoint(third, 1, 60, b"x")])
        store.record([Failed(third, 1, Failure.WORKER_LOST, "gone", "", "n", 1.0)])
    facts = json.loads(command("status", "--db", db, "--json").stdout)
    assert (facts["steps_done"], facts["steps_planned"]) == (100 + 30, 500)
    assert facts["drivers"] == {"me:1:2": 1} and facts["steps_per_second"] > 0 and facts["seconds_left"] is not None
    told = command("status", "--db", db).stdout
    assert "130 of 500 training steps" in told and "driver me:1:2: 1 trials in training" in told


def test_watching_begins_each_look_at_the_top_of_a_terminal_and_writes_no_escapes_to_a_file(tmp_path, monkeypatch):
    db = str(tmp_path / "s.db")
    with Store.open(db) as store:
        sweep = planned(store, 1, recipe=HUNDRED)
        (claim,) = store.claim([row.id for row in store.trials(sweep)], "me:1:2", 60)
        store.record([done(claim)])
    told = command("status", "--db", db, "--watch").stdout
    assert told.startswith("sweep tiny") and "\x1b" not in told
    screen = io.StringIO()
    monkeypatch.setattr("sweep.cli.output.stdout", lambda: Console(file=screen, force_terminal=True))
    command("status", "--db", db, "--watch")
    assert screen.getvalue().startswith("\x1b[2J\x1b[H")
