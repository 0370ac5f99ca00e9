from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from results_db.store import Store
from search_space.errors import SweepError
from sweep.cli.main import app

runner = CliRunner()


def best(db: Path, *options: str) -> tuple[int, dict[str, object]]:
    result = runner.invoke(app, ["best", "--db", str(db), "--scale", "2", "--json", *options])
    return result.exit_code, json.loads(result.stdout)


def test_best_gives_the_frontier_and_the_pick_as_json(sweep_db: Path) -> None:
    code, found = best(sweep_db, "--device", "board", "--metric", "psnr:Set14")
    assert code == 0
    frontier = found["frontier"]
    assert isinstance(frontier, list)
    assert {"config", "fps", "psnr", "power_w"} <= set(frontier[0])
    speeds = [row["fps"] for row in frontier]
    assert speeds == sorted(speeds, reverse=True)
    assert found["pick"] == max(frontier, key=lambda row: row["psnr"])["config"]


def test_best_keeps_a_budget(sweep_db: Path) -> None:
    _, free = best(sweep_db, "--device", "board")
    frontier = free["frontier"]
    assert isinstance(frontier, list)
    limit = frontier[1]["fps"]
    _, bound = best(sweep_db, "--device", "board", "--min-fps", str(limit))
    assert bound["frontier"] == frontier[:2] and bound["pick"] == frontier[1]["config"]


def test_best_says_so_and_exits_1_when_nothing_fits(sweep_db: Path) -> None:
    code, found = best(sweep_db, "--device", "board", "--min-fps", "1e9")
    assert (code, found["frontier"], found["pick"]) == (1, [], None)


def test_best_tells_which_models_are_as_fast_as_the_pick(sweep_db: Path, tmp_path: Path) -> None:
    db = tmp_path / "tied.db"
    shutil.copy(sweep_db, db)
    _, found = best(db, "--device", "board")
    assert found["tied_with"] is None
    others = ["Bicubic_s3", *(row["config"] for row in found["frontier"] if row["config"] != found["pick"])]  # type: ignore[attr-defined]
    with Store.open(str(db)) as store:
        (pick,) = store.speeds(config=str(found["pick"]), device="board")
        store.add_speeds([replace(pick, detail={**pick.detail, "tied_with": others})])
    _, found = best(db, "--device", "board")
    assert found["tied_with"] == others[1:]
    shown = runner.invoke(app, ["best", "--db", str(db), "--scale", "2", "--device", "board"]).stdout
    assert "as far as measuring can tell" in shown and others[1] in shown


def test_best_counts_models_whose_power_is_unknown(sweep_db: Path) -> None:
    code, found = best(sweep_db, "--device", "laptop", "--max-watts", "5")
    assert code == 1 and found["unknown_power"] == 10


def test_best_on_a_terminal_shows_a_table_a_chart_and_the_export_command(sweep_db: Path) -> None:
    result = runner.invoke(app, ["best", "--db", str(sweep_db), "--scale", "3", "--device", "board"])
    assert result.exit_code == 0
    assert "Frontier of what fits" in result.stdout and "frames/s (X: the pick)" in result.stdout
    assert "sweep export " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["best", "--scale", "2"], "choose one with --device (board, laptop)"),
        (["best", "--scale", "2", "--device", "x"], "there is board, laptop"),
        (["best", "--scale", "2", "--device", "board", "--metric", "psnr:X"], "choose from psnr:Set5"),
        (["plot", "pareto", "--out", "chart.gif"], "choose .png, .svg or .pdf"),
        (["plot", "pareto", "--out", "/dev/null/chart.png"], "cannot write"),
        (["plot", "crops", "--crop", "1,2", "--out", "x.png"], "X,Y,W,H"),
        (["report", "--out", "page.pdf"], "one .html file"),
        (["table", "--format", "doc"], "md, latex, csv"),
    ],
)
def test_refused_input_is_one_clear_line(sweep_db: Path, arguments: list[str], said: str) -> None:
    result = runner.invoke(app, [*arguments, "--db", str(sweep_db)])
    assert isinstance(result.exception, SweepError)
    assert said in str(result.exception) and "\n" not in str(result.exception)


def test_a_chart_is_drawn_by_the_command_and_by_the_script_alike(sweep_db: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    result = runner.invoke(app, ["plot", "pareto", "--db", str(sweep_db), "--device", "board", "--out", str(one)])
    assert result.exit_code == 0
    script = [sys.executable, "-m", "analysis.pareto", "--db", str(sweep_db), "--device", "board", "--out", str(two)]
    subprocess.run(script, check=True)
    assert one.read_bytes() == two.read_bytes()


def test_a_script_refuses_with_one_line_and_status_2(sweep_db: Path, tmp_path: Path) -> None:
    script = [sys.executable, "-m", "analysis.devices", "--db", str(sweep_db), "--device", "board"]
    done = subprocess.run([*script, "--out", str(tmp_path / "x.png")], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("analysis: comparing needs") and done.stderr.count("\n") == 1


def test_a_table_goes_to_a_file_or_the_terminal(sweep_db: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    shown = runner.invoke(app, ["table", "--db", str(sweep_db), "--set", "Set5"])
    runner.invoke(app, ["table", "--db", str(sweep_db), "--set", "Set5", "--out", str(out)])
    assert shown.stdout == out.read_text() and "Set14" not in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("plot", "pareto", "--device", "board", "--out", "chart.svg"),
        ("report", "--models", "none", "--out", "report.html"),
        ("table", "--out", "table.md"),
        ("export-results", "--out", "results.csv"),
        ("zoo", "export", "--out", "zoo"),
        ("export", "eSR-TM_s2_K3_C4", "--format", "safetensors", "--out", "net.safetensors"),
        ("recipe", "new", "mine.yaml"),
        ("bundle", "Bicubic_s2", "--speed-protocol", "qhd5", "--out", "kit.zip"),
        ("db", "backup", "--out", "copy.db"),
        ("upscale", "photo.png", "--model", "Bicubic_s2", "--out", "big"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_folder_of_what_is_written_is_made_or_refused_by_name(
    sweep_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    if arguments[0] == "bundle":
        pytest.importorskip("onnxscript", reason="needs the extra onnx")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (24, 16)).save("photo.png")
    *asked, name = arguments
    db = () if asked[0] == "recipe" else ("--db", str(sweep_db))
    out = tmp_path / "new" / "folder" / name
    done = runner.invoke(app, [*asked, str(out), *db])
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    assert out.exists()
    Path("file").write_text("in the way")
    refused = runner.invoke(app, [*asked, str(Path("file", name)), *db])
    assert isinstance(refused.exception, SweepError), f"{refused.output} {refused.exception}"
    assert "file" in str(refused.exception) and "\n" not in str(refused.exception)
