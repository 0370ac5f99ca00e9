from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from search_space.errors import SweepError
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
