"""A sweep whose trials fail: what status, logs and retry say about it, and what a mended folder brings."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from results_db.states import State
from results_db.store import Store
from search_space.facts import Failed, Failure
from sweep.planning import stored_plan
from tests.sweep_tests import kit
from tests.sweep_tests.inside import inside as command


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configs, the x4 one without an image large enough to cut patches from; names that need quotes."""
    root = tmp_path_factory.mktemp("broken")
    for name, side in (("T91", 48), ("Set5", 32)):
        (root / "data" / name).mkdir(parents=True)
        pixels = np.random.default_rng(side).integers(0, 256, (side, side), np.uint8)
        Image.fromarray(pixels).save(root / "data" / name / "noise.png")
    done = command(
        *("run", "--space", "paper", "--where", "K==3 and C==1", "--family", "eSR-MAX", "--scale", "2", "--scale", "4"),
        *("--recipe", "smoke", "--steps", "2", "--executor", "inline", "--no-benchmark"),
        *("--data-root", str(root / "data"), "--name", "two words", "--db", str(root / "my sweeps.db")),
    )
    assert done.returncode == 1, done.stderr
    assert "1 failed" in done.stderr and "sweep status --failed" in done.stderr
    return root / "my sweeps.db"


def test_status_gives_the_class_and_the_last_error_of_each_failed_trial(broken):
    facts = json.loads(command("status", "--failed", "--json", "--db", str(broken)).stdout)
    assert (facts["planned"], facts["done"], facts["failed"]) == (2, 1, 1)
    assert facts["classes"] == {"bad-data": 1}
    (failure,) = facts["failures"]
    assert failure["config"] == "eSR-MAX_s4_K3_C1" and "no image" in failure["error"]


def test_logs_tell_the_whole_story(broken):
    told = command("logs", "eSR-MAX_s4_K3_C1", "--db", str(broken)).stdout
    assert "attempt 1: failed" in told and "Traceback" in told and "BadData" in told
    rows = json.loads(command("logs", "eSR-MAX_s2_K3_C1", "--json", "--db", str(broken)).stdout)
    assert [(row["outcome"], row["steps"]) for row in rows] == [("done", 2)]


def test_retry_picks_by_class_and_resume_tries_again(broken):
    none = json.loads(command("retry", "--class", "oom", "--json", "--db", str(broken)).stdout)
    assert none["pending"] == []
    some = json.loads(command("retry", "--class", "bad-data", "--json", "--db", str(broken)).stdout)
    assert some["pending"] == ["eSR-MAX_s4_K3_C1"]
    assert json.loads(command("status", "--json", "--db", str(broken)).stdout)["pending"] == 1
    again = command("resume", "--executor", "inline", "--no-benchmark", "--json", "--db", str(broken))
    assert again.returncode == 1 and json.loads(again.stdout)["failed"] == 1
    assert len(json.loads(command("logs", "eSR-MAX_s4_K3_C1", "--json", "--db", str(broken)).stdout)) == 2


def test_what_retry_and_resume_print_works_as_printed(broken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = command("retry", "--failed", "--db", str(broken)).stdout
    (resume,) = re.findall(r"run `(sweep resume .*)`", told)
    # Only how it runs is added: Ray takes seconds to start.
    done = command(*shlex.split(resume)[1:], "--executor", "inline", "--no-benchmark")
    assert done.returncode == 1 and "1 of 2 done, 1 failed" in done.stderr, done.stderr
    (see,) = re.findall(r"see why with: (sweep .*)", done.stderr)
    assert "eSR-MAX_s4_K3_C1" in command(*shlex.split(see)[1:]).stdout
    assert not list(tmp_path.iterdir())


def test_retry_says_when_there_is_nothing_to_try_again(broken):
    done = command("retry", "eSR-MAX_s2_K3_C1", "--db", str(broken))
    assert done.returncode == 1 and "eSR-MAX_s2_K3_C1 has no failed trial" in done.stderr
    done = command("retry", "--class", "oom", "--db", str(broken))
    assert done.returncode == 0 and "has no failed trial of class oom" in done.stdout


def test_retry_of_an_id_takes_all_its_seeds(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as store:
        plan = stored_plan.make_plan(
            "paper", kit.configs(2), kit.RECIPE, kit.DATA, root=None, seeds=(0, 1, 2), name="tiny"
        )
        stored_plan.store_plan(store, plan, kit.DATA)
        claims = store.claim([row.id for row in store.trials()], "me", 60)
        store.record([Failed(c.trial, c.attempt, Failure.BUG, "no", "", "here") for c in claims])
    first = kit.configs(1)[0].id
    done = json.loads(command("retry", first, "--json", "--db", str(tmp_path / "s.db")).stdout)
    assert done == {"sweep": "tiny", "pending": [first] * 3, "without": []}
    with Store.open(str(tmp_path / "s.db")) as store:
        assert [(row.key.config, row.key.seed) for row in store.trials(None, (State.PENDING,))] == [
            (first, 0),
            (first, 1),
            (first, 2),
        ]


def test_retry_refuses_what_is_not_in_the_sweep(broken):
    done = command("retry", "eSR-MAX_s3_K3_C1", "--db", str(broken))
    assert done.returncode == 2 and "eSR-MAX_s3_K3_C1 is not in sweep" in done.stderr
    done = command("retry", "--class", "tired", "--db", str(broken))
    assert done.returncode == 2 and "unknown failure class 'tired'" in done.stderr
