"""No measurement looks better than it is: disturbed speeds are marked, counted and can be left out, everywhere."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from matplotlib.figure import Figure
from typer.testing import CliRunner

from analysis import kinds, script, table
from analysis.reading.measured_how import PROTOCOL_SIZES
from analysis.reading.results import gather
from analysis.reading.selection import Selection
from results_db.records import Source
from results_db.store import Store
from search_space import parse_id
from search_space.errors import SweepError
from sweep.cli.main import app
from tests.analysis_tests import kit
from workers.benchmark.protocols import PROTOCOLS

runner = CliRunner()


@pytest.fixture(scope="module")
def noisy_db(sweep_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The half-done sweep; on the board every speed at x2 is disturbed, on the laptop none."""
    path = tmp_path_factory.mktemp("noisy") / "noisy.db"
    shutil.copy(sweep_db, path)
    with Store.open(str(path)) as store:
        store.add_speeds([
            replace(one, detail={"disturbed": parse_id(one.config).scale == 2, "threads": 2, "output": [1920, 1080]})
            for one in store.speeds(device="board")
        ])  # fmt: skip
    return path


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def test_best_warns_and_names_the_command_that_repeats_the_speeds(noisy_db: Path) -> None:
    asked = ["best", "--db", str(noisy_db), "--scale", "2", "--device", "board"]
    shown = runner.invoke(app, asked)
    assert shown.exit_code == 0
    assert "10 of 10 speeds disturbed" in shown.stderr and "disturbed" in shown.stdout
    command = next(line for line in shown.stderr.splitlines() if line.startswith("repeat on board: "))
    words = shlex.split(command.removeprefix("repeat on board: "))
    assert words[:2] == ["sweep", "benchmark"] and words[words.index("--db") + 1].endswith(str(noisy_db))
    assert all(row["disturbed"] for row in json.loads(runner.invoke(app, [*asked, "--json"]).stdout)["frontier"])
    quiet = runner.invoke(app, ["best", "--db", str(noisy_db), "--scale", "3", "--device", "board"])
    assert "disturbed" not in quiet.output


def test_undisturbed_only_leaves_the_model_and_takes_its_speed(noisy_db: Path) -> None:
    with Store.open(str(noisy_db), readonly=True) as store:
        whole = gather(store, Selection(device="board"))
        quiet = gather(store, Selection(device="board", undisturbed_only=True))
    assert set(quiet.table["config"]) == set(whole.table["config"])
    assert set(quiet.table.loc[quiet.table["fps"].notna(), "scale"]) == {3, 4}
    assert quiet.table.loc[quiet.table["scale"] == 2, "psnr:Set5"].notna().all()
    empty = runner.invoke(
        app, ["best", "--db", str(noisy_db), "--scale", "2", "--device", "board", "--undisturbed-only"]
    )
    assert empty.exit_code == 1


def test_a_table_marks_the_rows(noisy_db: Path) -> None:
    shown = runner.invoke(app, ["table", "--db", str(noisy_db), "--device", "board"])
    marked = [line for line in shown.stdout.splitlines() if line.startswith("| board")]
    assert all(("disturbed" in line) == ("_s2" in line) for line in marked) and len(marked) > 5
    assert "speeds disturbed" in shown.stderr


@pytest.mark.parametrize("kind", ["pareto", "growth", "devices"])
def test_a_chart_says_how_it_was_measured_and_how_many_speeds_are_disturbed(noisy_db: Path, kind: str) -> None:
    told: list[str] = []
    with Store.open(str(noisy_db), readonly=True) as store:
        ask = Selection(device=None if kind == "devices" else "board")
        figure = kinds.figure(kind, store, ask, told.append)
    said = texts(figure).replace("\n", " · ")
    for part in ("measurements: ours", "1920x1080 (fullhd14), eager fp32", "2 threads", "1 seed", "disturbed"):
        assert part in said
    with Store.open(str(noisy_db), readonly=True) as store:
        table = gather(store, ask).table
    drawn = table[table["fps"].notna() & table["psnr:Set5"].notna()]["config"].nunique()
    assert drawn > 20
    assert f"{drawn} of 30 points" in said if kind == "pareto" else f"{drawn} models" in said
    assert any("speeds disturbed" in line for line in told)


@pytest.mark.parametrize("kind", ["pareto", "growth"])
def test_charts_of_two_quality_protocols_cannot_be_taken_for_each_other(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "two.db"
    configs = [parse_id(name) for name in ("Bicubic_s2", "eSR-TM_s2_K5_C4", "ESPCN_s2_D4_S12")]
    with Store.open(str(path)) as store:
        sweep = store.create_sweep("weights", "weights files", "{}", source=Source.RE_EVALUATED)
        figures = [one for config in configs for one in kit.qualities(config)]
        for protocol in ("y-bt601-bicubic-aa-v1", "y-bt601-bicubic-matlab-v1"):
            named = [replace(one, protocol=protocol) for one in figures]
            store.add_qualities(sweep, named, Source.RE_EVALUATED)
        store.add_speeds([kit.speed(config, "board") for config in configs])
        said = [
            texts(kinds.figure(kind, store, Selection(device="board", protocol=f"y-bt601-bicubic-{name}-v1")))
            for name in ("aa", "matlab")
        ]
    assert "quality: y-bt601-bicubic-aa-v1" in said[0] and "quality: y-bt601-bicubic-matlab-v1" in said[1]


def test_hollow_markers_are_the_disturbed_ones_and_the_legend_says_so(noisy_db: Path) -> None:
    with Store.open(str(noisy_db), readonly=True) as store:
        figure = kinds.figure("pareto", store, Selection(device="board"))
        plain = kinds.figure("pareto", store, Selection(device="laptop"))
    hollow = [sum(len(c.get_offsets()) for c in axes.collections if not _filled(c)) for axes in figure.axes]
    assert hollow == [10, 0, 0]
    labels = [[text.get_text() for text in each.legends[0].get_texts()] for each in (figure, plain)]
    assert ["hollow: disturbed" in names for names in labels] == [True, False]


def _filled(collection: object) -> bool:
    colours = collection.get_facecolor()  # type: ignore[attr-defined]
    return not len(colours) or tuple(colours[0][:3]) != (1.0, 1.0, 1.0)


def test_a_second_source_is_named_and_never_takes_the_place_of_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.db"
    configs = [parse_id(name) for name in ("Bicubic_s2", "eSR-TM_s2_K5_C4", "ESPCN_s2_D4_S12")]
    with Store.open(str(path)) as store:
        paper = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        store.add_qualities(paper, [one for c in configs for one in kit.qualities(c)], Source.PUBLISHED)
        store.add_speeds([kit.speed(c, "AGX") for c in configs], Source.PUBLISHED)
    asked = ["best", "--db", str(path), "--scale", "2", "--device", "AGX", "--metric", "psnr:Set14"]
    before = runner.invoke(app, asked)
    assert before.exit_code == 0 and "also here" not in before.stderr
    with Store.open(str(path)) as store:
        again = store.create_sweep("weights", "weights files", "{}", source=Source.RE_EVALUATED)
        figures = [replace(one, dataset="mine") for one in kit.qualities(configs[1])[:1]]
        store.add_qualities(again, figures, Source.RE_EVALUATED)
    after = runner.invoke(app, asked)
    assert after.stdout == before.stdout
    assert "shown: published (3 models); also here: re-evaluated (1 models); --source chooses" in after.stderr
    table = runner.invoke(app, ["table", "--db", str(path)])
    assert "shown: re-evaluated (1 models); also here: published (3 models)" in table.stderr


def test_the_sizes_of_protocols_are_those_that_are_measured() -> None:
    measured = {name: f"{one.width}x{one.height}" for name, one in PROTOCOLS.items()}
    assert {**measured, "published-fullhd14": "1920x1080"} == PROTOCOL_SIZES


def test_a_script_leaves_them_out_as_the_command_does(noisy_db: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    asked = ["--db", str(noisy_db), "--device", "board"]
    chart = [*asked, "--out", str(tmp_path / "x.svg")]
    for draw in (
        lambda *more: script.main("pareto", [*chart, *more]),
        lambda *more: (monkeypatch.setattr(sys, "argv", ["table", *asked, *more]), table.main()),
    ):
        draw()
        assert "10 of 28 speeds disturbed" in capsys.readouterr().err
        draw("--undisturbed-only")
        assert "disturbed" not in "".join(capsys.readouterr())


def test_the_api_leaves_them_out_of_a_frontier(noisy_db: Path) -> None:
    import sweep

    asked = {"db": noisy_db, "device": "board"}
    assert sweep.frontier(scale=2, **asked)["disturbed"].all()
    with pytest.raises(SweepError, match="no model here has a measurement of"):
        sweep.frontier(scale=2, undisturbed_only=True, **asked)
    quiet = [sweep.frontier(scale=3, undisturbed_only=only, **asked)["config"].tolist() for only in (False, True)]
    assert quiet[0] == quiet[1] and quiet[0]


REPLAY = ("replay", "--table", "demo", "--dataset", "Set5", "--sampler", "random", "--budget", "4", "--seeds", "1")


@pytest.mark.parametrize("command", [("bundle", "--frontier", "--limit", "1"), REPLAY], ids=lambda words: words[0])
def test_what_chooses_by_speed_says_it_and_can_leave_them_out(
    noisy_db: Path, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if command[0] == "bundle":
        pytest.importorskip("onnx", reason="needs the extra onnx")
    monkeypatch.chdir(tmp_path)

    def told(scale: int, *more: str) -> Result:
        return runner.invoke(app, [*command, "--db", str(noisy_db), "--device", "board", "--scale", str(scale), *more])

    noisy = told(2)
    assert noisy.exit_code == 0 and "10 of 10 speeds disturbed" in noisy.stderr
    assert "repeat on board: sweep benchmark --disturbed" in noisy.stderr and "--undisturbed-only" in noisy.stderr
    assert "disturbed" not in told(3).output
    assert told(2, "--undisturbed-only").exit_code != 0, "there is no other speed"


@pytest.mark.parametrize("name", ["plot", "table", "report"])
def test_a_command_leaves_them_out_when_told_to(noisy_db: Path, tmp_path: Path, name: str) -> None:
    asked = {
        "plot": ["plot", "pareto", "--device", "board", "--out", str(tmp_path / "chart.svg")],
        "table": ["table", "--device", "board"],
        "report": ["report", "--models", "none", "--crops", "0", "--out", str(tmp_path / "page.html")],
    }[name]
    whole = runner.invoke(app, [*asked, "--db", str(noisy_db)])
    quiet = runner.invoke(app, [*asked, "--db", str(noisy_db), "--undisturbed-only"])
    assert whole.exit_code == quiet.exit_code == 0
    assert "speeds disturbed" in whole.stderr and "speeds disturbed" not in quiet.stderr
    if name == "table":
        timed = [line for line in quiet.stdout.splitlines() if line.startswith("| board")]
        assert timed and not any("_s2" in line for line in timed)


def test_an_export_counts_them_and_can_leave_them_out(noisy_db: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    asked = ["export-results", "--db", str(noisy_db), "--device", "board", "--out", str(out)]
    assert "10 of 28 speeds disturbed" in runner.invoke(app, asked).stderr
    assert sum(line.count(",True,") for line in out.read_text().splitlines()) == 10
    assert "disturbed" not in runner.invoke(app, [*asked, "--undisturbed-only"]).stderr
