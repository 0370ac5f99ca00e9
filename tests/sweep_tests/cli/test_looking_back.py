"""What status, logs and export say of a stored sweep, whatever is in it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from results_db.store import Store
from search_space import registry, user_code
from search_space.facts import CudaState, Failed, Failure, Provenance
from tests.results_db_tests.kit.facts import done, planned
from tests.sweep_tests.inside import inside as command
from workers.training.recipe import recipe_for

OWN = """
from dataclasses import dataclass
from search_space import Config, family

@family("Mine")
@dataclass(frozen=True)
class Mine(Config):
    C: int

    def build(self):
        import torch
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, self.scale**2, 3, padding=1, bias=False), torch.nn.PixelShuffle(self.scale)
        )

space = [Mine(scale=2, C=1), Mine(scale=2, C=2)]
"""


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "s.db")


def test_an_error_text_with_brackets_is_shown_as_it_is(db: str):
    with Store.open(db) as store:
        _, (first, *_) = planned(store)
        (claim,) = store.claim([first], "driver", 60)
        store.record([Failed(claim.trial, claim.attempt, Failure.BUG, "[red] at [/oops]", "", "node-1", 0.5)])
    told = command("status", "--failed", "--db", db)
    assert told.returncode == 0 and "[red] at [/oops]" in told.stdout


def test_names_with_brackets_are_shown_as_they_are(db: str):
    with Store.open(db) as store:
        planned(store, name="a [/b]")
    assert "a [/b]" in command("status", "--db", db).stdout
    assert "a [/b]" in command("db", "info", "--db", db).stdout


@pytest.mark.parametrize("verb", [("status", "--json"), ("retry", "--failed", "--json")])
def test_a_sweep_is_named_by_its_number_too(verb: tuple[str, ...], db: str):
    with Store.open(db) as store:
        planned(store, name="first")
        planned(store, name="second")
    for wanted in ("1", "first"):
        told = command(*verb, "--name", wanted, "--db", db)
        assert told.returncode == 0, told.stderr
    assert json.loads(command("status", "--json", "--name", "1", "--db", db).stdout)["sweep"] == "first"
    gone = command(*verb, "--name", "3", "--db", db)
    assert gone.returncode == 2 and "first, second" in gone.stderr


def test_a_sweep_named_by_digits_comes_before_the_number(db: str):
    with Store.open(db) as store:
        planned(store, name="first")
        planned(store, name="1")
        assert store.sweep("1").name == "1"


def test_logs_tell_what_happened_beside_the_attempts(db: str):
    with Store.open(db) as store:
        _, (trial, *_) = planned(store)
        (early,) = store.claim([trial], "dead", -1)
        store.expire_leases()
        (late,) = store.claim([trial], "driver", 60)
        store.record([done(early)])
        store.record([Failed(late.trial, late.attempt, Failure.OOM, "too big", "", "node-1", 0.5)])
        store.retry([trial])
    told = command("logs", "eSR-TM_s2_K5_C1", "--db", db).stdout
    assert all(word in told for word in ("expired:", "fenced:", "retry: asked for another attempt"))
    first, second = json.loads(command("logs", "eSR-TM_s2_K5_C1", "--json", "--db", db).stdout)
    assert [event["kind"] for event in first["events"]] == ["expired"]
    assert [event["kind"] for event in second["events"]] == ["fenced", "retry"]


def test_logs_tell_what_trained_a_result(db: str):
    made = Provenance(("compiled/0123456789ab",), "Some CPU", "fp32", "2.13.0+cpu")
    with Store.open(db) as store:
        _, (trial, *_) = planned(store)
        store.record([replace(done(claim), provenance=made) for claim in store.claim([trial], "driver", 60)])
    told = command("logs", "eSR-TM_s2_K5_C1", "--db", db).stdout
    assert "trained by compiled/0123456789ab on Some CPU in fp32, torch 2.13.0+cpu" in told
    (attempt,) = json.loads(command("logs", "eSR-TM_s2_K5_C1", "--json", "--db", db).stdout)
    assert attempt["trained_with"] == {
        "engines": ["compiled/0123456789ab"], "device": "Some CPU", "precision": "fp32", "torch": "2.13.0+cpu",
        "cuda": None,
    }  # fmt: skip


def test_logs_tell_the_software_of_the_gpu_that_trained_a_result(db: str):
    cuda = CudaState("580.65.06", "13.0", "91002", False, True, True)
    made = Provenance(("kernels/0123456789ab",), "NVIDIA H100", "fp32", "2.13.0+cu130", cuda)
    with Store.open(db) as store:
        _, (trial, *_) = planned(store)
        claims = store.claim([trial], "driver", 60, {trial: {"lr_scale": 0.5}})
        store.record([replace(done(claim), provenance=made) for claim in claims])
    told = command("logs", "eSR-TM_s2_K5_C1", "--db", db).stdout
    wanted = "with driver 580.65.06, CUDA 13.0, cuDNN 91002, TF32 in convolutions, cuDNN autotuning on"
    assert wanted in " ".join(told.split())
    (attempt,) = json.loads(command("logs", "eSR-TM_s2_K5_C1", "--json", "--db", db).stdout)
    assert attempt["detail"] == {"lr_scale": 0.5}
    assert attempt["trained_with"]["cuda"] == asdict(cuda)


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_a_precision_that_the_device_does_not_train_in_is_refused_at_the_start(name: str, tmp_path: Path, db: str):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(recipe_for("smoke").with_changes(precision=name).to_json())
    run = ("run", "--space", "demo", "--limit", "1", "--recipe", str(recipe), "--no-benchmark", "--executor", "inline")
    ran = command(*run, "--db", db)
    assert ran.returncode == 2
    assert f"a cpu device trains in fp32 only, and the recipe asks for {name}" in ran.stderr


@pytest.fixture
def own_family(tmp_path: Path, db: str):
    """A finished sweep of a family from a file that is gone, in a process that has never seen it."""
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    ran = command(
        "run", "--space", str(file), "--recipe", "smoke", "--no-benchmark", "--executor", "inline", "--db", db
    )
    assert ran.returncode == 0, ran.stderr
    file.unlink()
    forget()
    return db


def forget() -> None:
    for module in [name for name in user_code._loaded if "mine" in name]:
        del user_code._loaded[module]
        sys.modules.pop(module, None)
    registry._families.pop("Mine", None)


def test_a_users_own_family_is_looked_at_without_running_its_file(own_family: str):
    told = command("logs", "Mine_s2_C1", "--db", own_family)
    assert told.returncode == 0 and "attempt 1: done" in told.stdout
    assert "Mine" not in registry.families()


def test_a_users_own_family_is_exported_from_the_database_alone(own_family: str, tmp_path: Path):
    out = tmp_path / "mine.safetensors"
    told = command("export", "Mine_s2_C1", "--format", "safetensors", "--out", str(out), "--db", own_family)
    assert told.returncode == 0, told.stderr
    assert out.stat().st_size


def test_a_family_that_no_sweep_brought_is_refused(own_family: str):
    for verb in ("export", "logs"):
        told = command(verb, "Yours_s2_C1", "--db", own_family)
        assert told.returncode == 2 and "unknown family 'Yours'" in told.stderr


def test_an_unknown_family_without_a_database_is_what_is_told(tmp_path: Path):
    told = command("export", "Yours_s2_C1", "--db", str(tmp_path / "none.db"))
    assert told.returncode == 2 and "unknown family 'Yours'" in told.stderr
