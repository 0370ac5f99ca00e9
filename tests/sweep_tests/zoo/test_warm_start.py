"""A search that starts with the results of a zoo or of another database, and trains only what they lack."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from results_db.store import Store
from sweep.search.studies import storage_url
from sweep.zoo.export import export

OPTIONS = (
    *("search", "--space", "demo", "--scale", 4, "--recipe", "smoke", "--executor", "inline", "--batch", 2),
    *("--benchmark-later", "--objectives", "psnr:Set5,macs", "--name", "mine", "--json"),
)


@pytest.fixture
def trained(sweep, small_data: Path, tmp_path: Path) -> Path:
    """A database with three results of a search."""
    db = tmp_path / "trained.db"
    status, _, err = sweep(*OPTIONS, "--steps", 2, "--budget", 3, "--data-root", small_data, "--db", db)
    assert status == 0, err
    return db


def origins(db: Path) -> list[str]:
    study = optuna.load_study(study_name="mine-x4", storage=storage_url(str(db)))
    return [trial.user_attrs["source"] for trial in study.trials]


@pytest.mark.parametrize("as_zoo", [True, False], ids=["zoo", "database"])
def test_results_from_elsewhere_are_not_trained_again(sweep, trained, small_data, tmp_path, as_zoo):
    source, db = trained, tmp_path / "new.db"
    if as_zoo:
        source = tmp_path / "zoo"
        with Store.open(str(trained)) as store:
            export(store, "search-mine", source)
    status, out, err = sweep(
        *OPTIONS, "--steps", 2, "--budget", 1, "--data-root", small_data, "--db", db, "--resume-from", source
    )
    assert status == 0, err
    assert "3 results can be used" in err
    assert origins(db) == ["earlier"] * 3 + ["search"]
    (report,) = json.loads(out)["scales"]
    assert report["trained"] == 1
    with Store.open(str(trained), readonly=True) as store:
        known = {row.key.config for row in store.trials(None, None)}
    assert not known & set(report["tried"])


def test_results_of_another_training_are_refused_and_not_kept(sweep, trained, small_data, tmp_path):
    db = tmp_path / "new.db"
    status, _, err = sweep(
        *OPTIONS, "--steps", 3, "--budget", 1, "--data-root", small_data, "--db", db, "--resume-from", trained
    )
    assert status == 2
    assert "none of its 3 results (sweep 'search-mine')" in err
    with Store.open(str(db)) as store:
        assert not store.sweeps()


@pytest.mark.parametrize("made", [True, False], ids=["folder", "nothing"])
def test_what_is_neither_a_zoo_nor_a_database_is_one_clear_line(sweep, small_data, tmp_path, made):
    source = tmp_path / "source"
    if made:
        source.mkdir()
    status, _, err = sweep(
        *OPTIONS, "--steps", 2, "--data-root", small_data, "--db", tmp_path / "new.db", "--resume-from", source
    )
    assert status == 2
    assert str(source) in err and len(err.strip().splitlines()) == 1
