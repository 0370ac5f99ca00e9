from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

import sweep as api
from results_db.store import Store
from search_space.errors import SweepError
from search_space.facts import Speed
from search_space.spaces import load_space
from sweep.cli.main import app
from sweep.search.studies import storage_url

SWEEP = str(Path(sys.executable).parent / "sweep")


def sweep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SWEEP, *arguments], capture_output=True, text=True, timeout=280, check=False)


def search(db: Path, data: Path, *more: str) -> dict[str, object]:
    done = sweep(
        *("search", "--space", "demo", "--scale", "4", "--recipe", "smoke", "--steps", "2", "--executor", "inline"),
        *("--data-root", str(data), "--db", str(db), "--batch", "2", "--benchmark-later"),
        *("--objectives", "psnr:Set5,macs", "--name", "mine", "--json", *more),
    )
    assert done.returncode == 0, done.stderr
    (scale,) = json.loads(done.stdout)["scales"]
    return dict(scale)


def test_a_search_trains_within_its_budget_and_goes_on(small_data: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    first = search(db, small_data, "--budget", "2")
    assert first["trained"] == 2
    more = search(db, small_data, "--budget", "3")
    assert more["trained"] == 3
    assert list(more["tried"])[:2] == list(first["tried"])  # type: ignore[call-overload]
    study = optuna.load_study(study_name="mine-x4", storage=storage_url(str(db)))
    assert study.metric_names == ["psnr:Set5", "macs"]
    assert len(study.trials) == 3


def test_a_search_says_which_speeds_are_disturbed_and_breaks_no_id(
    sweep, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    db = tmp_path / "s.db"
    configs = [config for config in load_space("demo").configs if config.scale == 4]
    with Store.open(str(db)) as store:
        store.add_speeds([
            Speed(config.id, "board", "eager", "fp32", "qhd5", 9.0 + place, detail={"disturbed": place > 0})
            for place, config in enumerate(configs)
        ])  # fmt: skip
    asked = ("search", "--space", "demo", "--scale", 4, "--recipe", "smoke", "--steps", 2, "--executor", "inline",
             "--data-root", small_data, "--db", db, "--batch", 2, "--benchmark-later", "--budget", 2, "--name", "mine",
             "--objectives", "psnr:Set5,fps:board")  # fmt: skip
    status, out, err = sweep(*asked)
    assert status == 0 and "9 of 10 speeds disturbed" in err
    assert f"repeat on board: sweep benchmark --disturbed --db {db}" in err
    (scale,) = json.loads(sweep(*asked, "--json")[1])["scales"]
    assert scale["frontier"]
    for row in scale["frontier"]:
        (line,) = [line for line in out.splitlines() if row["config"] in line]
        assert ("disturbed" in line) == row["disturbed"] == (row["fps:board"] > 9.0)
    found = api.search("demo", db, scale=4, recipe="smoke", steps=2, executor="inline", data_root=small_data, batch=2,
                       benchmark_first=False, budget=2, name="mine", objectives="psnr:Set5,fps:board")  # fmt: skip
    assert found.notes[0].startswith("9 of 10 speeds disturbed")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sampler", "magic"], "unknown sampler"),
        (["--objectives", "psnr:Nowhere,macs"], "no test set 'Nowhere'"),
        (["--objectives", "psnr"], "is not an objective"),
        (["--constraint", "fps"], "is not a constraint"),
        (["--space", "nowhere"], "unknown space"),
        (["--until", "0.5"], "is not a percentage"),
        (["--until", "0.5%", "--sampler", "tpe"], "--until needs the sampler frontier"),
        (["--until", "0.5%", "--objectives", "psnr:embedded-test,parameters,macs"], "and two objectives"),
        (["--import-study", "x"], "write URL#NAME"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["search", "--db", str(tmp_path / "s.db"), *arguments])
    assert result.exit_code != 0
    assert isinstance(result.exception, SweepError), "main() prints it as one line and exits 2"
    assert reason in str(result.exception)
    assert "\n" not in str(result.exception)
