"""Input that looks harmless and is refused, and defaults that mean what they say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search_space.errors import SweepError
from search_space.spaces import load_space, select
from sweep.cli.main import app
from tests.sweep_tests.conftest import SWEEP
from workers.data.image_set import read_folder

runner = CliRunner()


def planned(*options: str) -> dict[str, object]:
    asked = ["run", "--space", "demo", "--limit", "1", "--dry-run", "--json", "--db", "none.db", *options]
    result = runner.invoke(app, asked, catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_the_demo_space_takes_the_demos_recipe_unless_another_is_named() -> None:
    assert planned()["recipe"]["name"] == "demo"  # type: ignore[index]
    assert planned("--recipe", "smoke")["recipe"]["name"] == "smoke"  # type: ignore[index]


def test_seeds_count_from_the_seed_that_is_given() -> None:
    found = planned("--seed", "7", "--seeds", "3")
    assert (found["planned"], found["seeds"]) == (3, [7, 8, 9])
    assert planned("--seed", "3", "--seed", "1")["seeds"] == [1, 3] and planned()["seeds"] == [0]


def test_the_sample_of_a_kit_is_drawn_with_its_seed(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    drawn = {seed: {one.id for one in select(load_space("eSR-MAX").configs, sample=2, seed=seed)} for seed in (0, 5)}
    assert drawn[0] != drawn[5]
    kit, db = tmp_path / "kit.zip", tmp_path / "none.db"
    asked = ["bundle", "--space", "eSR-MAX", "--sample", "2", "--seed", "5", "--speed-protocol", "qhd5"]
    done = runner.invoke(app, [*asked, "--out", str(kit), "--db", str(db)], catch_exceptions=False)
    assert done.exit_code == 0
    with zipfile.ZipFile(kit) as archive:
        models = json.loads(archive.read("manifest.json"))["models"]
    assert {one["config"] for one in models} == drawn[5]


@pytest.mark.parametrize(
    "options",
    [
        ["run", "--space", "demo", "--dry-run", "--cpus-per-worker", "inf"],
        ["run", "--space", "demo", "--dry-run", "--executor", "nope"],
        ["run", "--space", "demo", "--dry-run", "--seed", "1", "--seed", "2", "--seeds", "2"],
        ["best", "--scale", "2", "--min-fps", "nan"],
        ["best", "--scale", "2", "--max-watts", "inf"],
    ],
)
def test_what_cannot_be_meant_is_refused(options: list[str], tmp_path: Path) -> None:
    result = runner.invoke(app, [*options, "--db", str(tmp_path / "none.db")])
    assert result.exit_code != 0 and isinstance(result.exception, SweepError)
    assert "\n" not in str(result.exception) and "none.db" not in str(result.exception)


def test_a_range_that_is_too_long_is_called_that(tmp_path: Path) -> None:
    space = tmp_path / "long.yaml"
    space.write_text("name: long\ngrids:\n  - {family: eSR-TM, scale: 2, K: 3, C: 1..100000000}\n")
    result = runner.invoke(app, ["space", "list", "--space", str(space)])
    assert "the range '1..100000000' has more than" in str(result.exception)


def test_a_missing_file_is_said_to_be_missing_not_to_lack_its_ending(tmp_path: Path) -> None:
    result = runner.invoke(app, ["published", "import", str(tmp_path / "nothing"), "--db", str(tmp_path / "s.db")])
    assert "there is no file" in str(result.exception)


def test_links_that_lead_nowhere_pipes_and_sockets_are_named_not_passed_over(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "good.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.png"))
    images, skipped = read_folder(tmp_path)
    listener.close()
    assert images.names == ("good.png",)
    assert {one.name: one.reason for one in skipped} == {
        "gone.png": "a link that leads nowhere",
        "pipe.png": "not a regular file",
        "socket.png": "not a regular file",
    }


def test_a_narrow_terminal_breaks_no_name_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    shown = runner.invoke(app, ["space", "list", "--space", "demo", "--format", "table"]).stdout
    assert "eSR-TM_s2_K5_C4" in shown
    recipes = runner.invoke(app, ["recipe", "list"]).stdout
    assert all(name in recipes for name in ("smoke", "demo", "paper", "charbonnier"))


def test_strict_refuses_a_folder_with_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "Set5"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "good.png")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    asked = ["data", "check", "Set5", "--data-root", str(tmp_path)]
    assert "gone.png" in runner.invoke(app, asked).output
    strict = runner.invoke(app, [*asked, "--strict"])
    assert strict.exit_code != 0 and "gone.png" in f"{strict.output} {strict.exception}"


def test_quartiles_of_a_replay_are_whole_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweep.cli.replay import _show
    from sweep.search.comparison import ComparisonRow

    monkeypatch.setenv("COLUMNS", "40")
    _show(
        [
            ComparisonRow("published AGX", 2, name, n, 0.9876, 0.912, 0.998, 9, 8)
            for name in ("frontier", "tpe")
            for n in (10, 40, 118)
        ]
    )
    out = capsys.readouterr().out
    assert out.count("0.9876 (0.912-0.998)") == 6


def test_filters_of_a_weights_file_need_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from search_space import parse_id
    from workers.training.weights import to_bytes

    monkeypatch.chdir(tmp_path)
    file = tmp_path / "eSR-TM_s2_K3_C2.safetensors"
    file.write_bytes(to_bytes(parse_id(file.stem).build()))
    result = runner.invoke(app, ["plot", "filters", "--weights", str(file), "--out", "f.png"], catch_exceptions=False)
    assert result.exit_code == 0 and (tmp_path / "f.png").stat().st_size > 1000
    assert not (tmp_path / "sweep.db").exists()


def test_a_reader_of_stderr_that_leaves_does_not_change_the_status(tmp_path: Path) -> None:
    read, write = os.pipe()
    asked = ["run", "--space", "eSR-MAX", "--scale", "2", "--limit", "1", "--recipe", "smoke", "--steps", "2"]
    command = [SWEEP, *asked, "--executor", "inline", "--no-benchmark", "--db", str(tmp_path / "s.db")]
    process = subprocess.Popen(command, stderr=write, stdout=subprocess.DEVNULL)
    os.close(write)
    os.close(read)
    assert process.wait(timeout=300) == 0
