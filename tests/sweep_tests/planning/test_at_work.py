"""From the database alone: which workers train what, where, and how fast."""

from __future__ import annotations

import json

import pytest

from results_db.store import Store
from search_space.facts import Checkpoint
from sweep.planning.at_work import at_work
from tests.sweep_tests.inside import inside as command
from tests.sweep_tests.kit import RECIPE, planned

HUNDRED = RECIPE.with_changes(steps=100)


@pytest.fixture
def db(tmp_path):
    """Two drivers: one with a pack of two on a named GPU and one on a CPU, one whose executor names no workers."""
    path = str(tmp_path / "s.db")
    with Store.open(path) as store:
        trials = [row.id for row in store.trials(planned(store, recipe=HUNDRED))]
        for some, owner, host, device, number in (
            (trials[:2], "a:1:2", "node-1", "cuda", 1),
            (trials[2:3], "a:1:2", "node-2", "cpu", 2),
        ):
            where = {"host": host, "device": device, "worker": number, "pack": len(some)}
            store.claim(some, owner, 60, dict.fromkeys(some, where))
        store.claim(trials[3:4], "b:1:2", 60)
        store.save_checkpoints([Checkpoint(trial, 1, 30, b"x") for trial in trials[:2]])
    return path


def test_workers_are_told_apart_with_their_packs_and_steps(db):
    with Store.open(db, readonly=True) as store:
        workers = at_work(store.running(), store.positions())
    told = [(w.driver, w.node, w.device, w.number, len(w.configs), w.step) for w in workers]
    assert told == [
        ("a:1:2", "node-1", "cuda", 1, 2, 30),
        ("a:1:2", "node-2", "cpu", 2, 1, None),
        ("b:1:2", "?", "?", 0, 1, None),
    ]
    assert workers[0].doing == "eSR-MAX_s2_K3_C1 and 1 more, step 30"
    assert workers[1].steps_per_s is None


def test_status_names_drivers_nodes_and_workers_and_what_each_does(db):
    facts = json.loads(command("status", "--db", db, "--json").stdout)
    assert facts["nodes"] == ["?", "node-1", "node-2"]
    assert facts["drivers"] == {"a:1:2": 3, "b:1:2": 1}
    assert [(w["node"], w["device"], w["number"], w["trials"]) for w in facts["workers"]] == [
        ("node-1", "cuda", 1, 2),
        ("node-2", "cpu", 2, 1),
        ("?", "?", 0, 1),
    ]
    text = command("status", "--db", db).stdout
    assert "driver a:1:2: 3 trials in training by 2 worker(s) on 2 node(s)" in text
    assert "node-1 cuda 1: eSR-MAX_s2_K3_C1 and 1 more, step 30" in text
