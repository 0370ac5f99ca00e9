"""Test sets that are added or changed: measured with stored weights, or refused; never trained for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from results_db.reading import frames
from results_db.store import Store
from sweep.planning import stored_plan
from sweep.planning.data import Data
from sweep.planning.open_sweep import OpenSweep
from sweep.running.quality_phase import measure_quality
from tests.sweep_tests.inside import inside as command
from tests.sweep_tests.kit import DATA, driver, images, planned


@pytest.fixture
def root(small_data: Path, tmp_path: Path) -> Path:
    """A data root with a second test set that holds one image."""
    shutil.copytree(small_data, tmp_path / "data")
    (tmp_path / "data" / "Set14").mkdir()
    picture(tmp_path / "data" / "Set14" / "one.png", 3)
    return tmp_path / "data"


def picture(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)).save(path)


@pytest.fixture
def run(root: Path, tmp_path: Path):
    def asked(*more: str):
        return command(
            *("run", "--space", "paper", "--family", "eSR-MAX", "--where", "K==3 and C<3", "--scale", "2"),
            *("--recipe", "smoke", "--steps", "2", "--executor", "inline", "--no-benchmark"),
            *("--data-root", str(root), "--db", str(tmp_path / "s.db"), *more),
        )

    return asked


def columns(db: Path) -> set[str]:
    with Store.open(str(db)) as store:
        table = frames.results(store)
        return {name for name in table.columns if name.startswith("psnr:") and table[name].notna().all()}


@pytest.mark.parametrize("name", [(), ("--name", "night")])
def test_a_test_set_that_is_added_is_measured_without_training(run, tmp_path, name):
    assert run("--test", "Set5", *name).returncode == 0
    assert columns(tmp_path / "s.db") == {"psnr:Set5"}
    done = run("--test", "Set5", "--test", "Set14", *name)
    assert done.returncode == 0, done.stderr
    assert columns(tmp_path / "s.db") == {"psnr:Set5", "psnr:Set14"}
    with Store.open(str(tmp_path / "s.db")) as store:
        assert len(store.attempts()) == 2


def test_a_resume_measures_on_the_sets_that_were_added(run, tmp_path):
    assert run("--test", "Set5", "--name", "night").returncode == 0
    with Store.open(str(tmp_path / "s.db")) as store:
        row = store.sweep("night")
        store.change_settings(row.id, {**row.settings, "data": {**row.settings["data"], "tests": ["Set5", "Set14"]}})
    resumed = command("resume", "--executor", "inline", "--no-benchmark", "--db", str(tmp_path / "s.db"))
    assert resumed.returncode == 0, resumed.stderr
    assert columns(tmp_path / "s.db") == {"psnr:Set5", "psnr:Set14"}


@pytest.mark.parametrize("again", ["run", "resume"])
def test_other_images_under_the_name_of_a_measured_set_are_refused(run, root, tmp_path, again):
    assert run("--test", "Set5").returncode == 0
    picture(root / "Set5" / "zz.png", 4)
    refused = run("--test", "Set5") if again == "run" else command("resume", "--db", str(tmp_path / "s.db"))
    assert refused.returncode == 2
    assert "test set Set5 (4 images) is not the Set5 that sweep" in refused.stderr


def test_images_mended_before_anything_was_measured_are_taken(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as store:
        sweep_id = planned(store, 2)
        mended = Data(DATA.train, (images("test", 5),))
        from tests.sweep_tests.kit import RECIPE, configs

        again = stored_plan.make_plan("paper", configs(2), RECIPE, mended, root=None, name="tiny")
        assert stored_plan.store_plan(store, again, mended) == sweep_id
        kept = store.sweep(sweep_id).settings["data"]["digests"]
        assert kept == {"test": mended.tests[0].digest}


def test_a_trial_without_its_weights_is_named_and_passed_over(tmp_path, capsys):
    with Store.open(str(tmp_path / "s.db")) as store:
        sweep_id = planned(store, 2)
        driver(store, sweep_id).run()
        first = store.trials(sweep_id)[0]
        store.database.write(
            lambda c: c.exec_driver_sql(f"delete from artifact where trial_id = {first.id}")  # a hand in the database
        )
        more = Data(DATA.train, (images("more", 6),))
        assert measure_quality(OpenSweep.of(store, sweep_id, more), quiet=True) == 1
        assert f"{first.key.config} is not measured" in capsys.readouterr().err
        assert measure_quality(OpenSweep.of(store, sweep_id, DATA), quiet=True) == 0


def test_the_summary_is_json_alone_while_sets_are_measured(run):
    assert run("--test", "Set5").returncode == 0
    done = run("--test", "Set5", "--test", "Set14", "--json")
    assert json.loads(done.stdout)["done"] == 2
