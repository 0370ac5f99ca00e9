from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from results_db.foreign import csv_json, published
from results_db.reading import frames
from results_db.store import Store
from search_space.errors import BadData
from sweep.cli.main import app
from tests.results_db_tests.kit.published import document, write


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_is_exported_can_be_imported_with_every_digit(tmp_path: Path, form: str) -> None:
    one, other = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    run("published", "import", str(write(tmp_path / "tests.pkl", document())), "--db", one)
    out = tmp_path / f"results.{form}"
    run("export-results", "--out", str(out), "--db", one)
    run("published", "import-table", str(out), "--name", "mine", "--db", other)
    with Store.open(one) as first, Store.open(other) as second:
        figures = [name for name in frames.results(first).columns if ":" in name]
        figures += ["config", "device", "precision", "fps", "power_w", "memory_mib", "cpu_percent", "parameters"]
        expected, arrived = frames.results(first)[figures], frames.results(second, sweep="mine")[figures]
        assert expected.equals(arrived)


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    import pandas as pd

    db = str(tmp_path / "one.db")
    run("published", "import", str(write(tmp_path / "tests.pkl", document())), "--db", db)
    out = tmp_path / "results.parquet"
    run("export-results", "--format", "parquet", "--out", str(out), "--db", db, "--device", "AGX")
    table = pd.read_parquet(out)
    assert len(table) == 3 and set(table["device"]) == {"AGX"}


def test_unknown_figures_are_null_in_json(tmp_path: Path) -> None:
    db = str(tmp_path / "one.db")
    run("published", "import", str(write(tmp_path / "tests.pkl", document())), "--db", db)
    out = tmp_path / "results.json"
    run("export-results", "--out", str(out), "--db", db, "--device", "RPI")
    row = json.loads(out.read_text())[0]
    assert row["power_w"] is None and row["fps"] == 2.25


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "x.txt"], "not a format"),
        (["--out", "x.csv", "--format", "xml"], "not a format"),
        (["--out", "/proc/nowhere/x.csv"], "cannot be written"),
        (["--out", "x.csv", "--source", "theirs"], "not a source"),
        (["--out", "x.csv", "--sweep", "theirs"], "no sweep 'theirs'"),
    ],
)
def test_an_export_that_cannot_be_is_refused(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search_space.errors import SweepError

    monkeypatch.chdir(tmp_path)
    Store.open("sweep.db").close()
    with pytest.raises(SweepError, match=reason):
        run("export-results", *arguments)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("sweep.db")] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no measurements"),
        ("a,b\n1,2\n", "line 2: no config id"),
        ("config,psnr:Set5\neSR-TM_s2_K4_C4,30\n", "line 2: .*K = 4"),
        ("config,psnr:Set5\nBicubic_s2,30\nBicubic_s2,31\n", "line 3: a second, different"),
        ("config,psnr:Set5\nBicubic_s2,high\n", "line 2: psnr:Set5 is not a number"),
        ("config,psnr:Set5\nBicubic_s2,nan\n", "line 2: psnr:Set5 is nan"),
        ("config,device,fps\nBicubic_s2,board,0\n", "not above 0"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(BadData, match=reason):
        csv_json.read(path, "mine")


@pytest.mark.parametrize("text", ["{}", "[1]", "[[", "nonsense", '[{"config": 3}]', "[" * 100_000])
def test_json_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(BadData):
        csv_json.read(path, "mine")


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(BadData, match="not a text file"):
        csv_json.read(path, "mine")
    with pytest.raises(BadData, match=r"\.csv or \.json"):
        csv_json.read(write(tmp_path / "mine.xlsx", "x"), "mine")


def test_a_table_goes_in_twice_without_harm(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("config,psnr:Set5,device,fps\nBicubic_s2,30.5,board,12\neSR-MAX_s2_K3_C1,31,board,25\n")
    table = csv_json.read(path, "mine")
    assert published.keep(store, table, "mine").quality.new == 2
    assert published.keep(store, table, "mine").quality.same == 2
    assert frames.results(store, sweep="mine")["fps"].tolist() == [12.0, 25.0]
