"""The views say what the tables say, on both engines, and in the programs that docs/sql.md shows."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from results_db import views
from results_db.foreign import published
from results_db.reading import frames
from results_db.reading.sweeps import change
from results_db.store import Store
from search_space.facts import Speed, TrialKey
from sweep.cli.main import app
from tests.results_db_tests.kit import published as authors
from tests.results_db_tests.kit.facts import done, finish, key, planned, speed

COUNTS = ("planned", "done", "failed", "running", "pending")
PAPER = {
    "eSR-TM_s2_K5_C4": ("eSR-TM", 2, "K5 C4", 5, 4, None, None, None),
    "FSRCNN_s3_D56_S12_M4": ("FSRCNN", 3, "D56 S12 M4", None, None, 56, 12, 4),
    "eSR-CNN_s4_C8_D9_S15": ("eSR-CNN", 4, "C8 D9 S15", None, 8, 9, 15, None),
    "Bicubic_s2": ("Bicubic", 2, "", None, None, None, None, None),
    "My-Own+2_s3_Q7": ("My-Own+2", 3, "Q7", None, None, None, None, None),
}


def rows(store: Store, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in store.database.read(lambda c: c.execute(text(query)).mappings().all())]


def test_a_config_is_taken_apart_into_family_scale_and_fields(store: Store) -> None:
    store.plan(store.create_sweep("all", "x", "{}"), [TrialKey(config, 0, "r", "d", "c") for config in PAPER])
    found = rows(store, "SELECT config, family, scale, fields, k, c, d, s, m FROM trials")
    assert {row.pop("config"): tuple(row.values()) for row in found} == PAPER


def test_sweeps_have_their_counts_tags_and_a_date(store: Store) -> None:
    sweep, trials = planned(store, 4)
    finish(store, trials[:1])
    change(store, "demo", ["a", "b"], note="why")
    (row,) = rows(store, "SELECT * FROM sweeps")
    assert {name: row[name] for name in COUNTS} == {name: getattr(store.counts(sweep), name) for name in COUNTS}
    assert (row["name"], row["tags"], row["note"], row["archived"]) == ("demo", "a, b", "why", None)
    assert str(row["created"])[:16] == store.sweep("demo").created_at.isoformat(" ")[:16]


def test_a_row_of_results_is_a_config_and_a_device_with_the_mean_over_seeds(store: Store) -> None:
    sweep = store.create_sweep("seeds", "demo", "{}")
    store.plan(sweep, [key(1, seed=0), key(1, seed=1), key(2)])
    claims = store.claim([row.id for row in store.trials(sweep)], "driver", 60)
    store.record([done(claim, 33.0 + claim.key.seed) for claim in claims])
    noisy = Speed(key(1).config, "board", "eager", "fp32", "fullhd14", 25.0, seconds_median=0.04,
                  detail={"disturbed": True})  # fmt: skip
    store.add_speeds([noisy, speed(key(1).config, 40.0, device="pi")])
    found = rows(store, "SELECT * FROM results ORDER BY config, device")
    columns = ("config", "device", "seeds", "psnr", "psnr_set5", "fps")
    assert [tuple(row[name] for name in columns) for row in found] == [
        (key(1).config, "board", 2, 33.5, 33.5, 25.0),
        (key(1).config, "pi", 2, 33.5, 33.5, 40.0),
        (key(2).config, None, 1, 33.0, 33.0, None),
    ]  # fmt: skip
    assert [bool(row["disturbed"]) for row in found] == [True, False, False]
    assert found[0]["milliseconds"] == pytest.approx(40) and found[0]["test_set"] == "Set5"
    assert str(found[0]["finished"]).startswith("20") and str(found[0]["measured"]).startswith("20")


def test_the_views_hold_the_numbers_of_the_frames(store: Store, tmp_path: Path) -> None:
    path = authors.write(tmp_path / "tests.pkl", authors.document())
    published.keep(store, published.read(path))
    for dataset in ("Set5", "BSDS100"):
        table = frames.results(store).drop_duplicates("config").set_index("config")[f"psnr:{dataset}"]
        found = rows(store, f"SELECT DISTINCT config, psnr_{dataset.lower()} AS value FROM results")
        assert {row["config"]: row["value"] for row in found} == table.to_dict()
    whole = rows(store, "SELECT config, metric, test_set, value FROM qualities WHERE metric = 'ssim'")
    assert len(whole) == 3 * 5
    fps = {(row.config, row.device): row.fps for row in frames.results(store).itertuples() if row.device}
    assert {(r["config"], r["device"]): r["fps"] for r in rows(store, "SELECT config, device, fps FROM results")} == fps


def test_views_are_made_anew(store: Store) -> None:
    store.database.write(views.make)
    assert rows(store, "SELECT * FROM results") == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.db"
    with Store.open(str(path)) as store:
        _, trials = planned(store, 2)
        finish(store, trials)
        store.add_speeds([speed(key(1).config, 30.0), speed(key(2).config, 20.0)])
    return path


QUERY = "SELECT family, scale, fields, psnr, fps FROM results WHERE fps >= 25 ORDER BY psnr DESC"
ANSWER = ("eSR-TM", 2, "K5 C1", 33.0, 30.0)


def test_sqlite_itself_reads_them(file: Path) -> None:
    with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
        assert connection.execute(QUERY).fetchall() == [ANSWER]


def test_the_sqlite_shell_reads_them(file: Path) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("the shell of SQLite is not installed (apt-get install sqlite3)")
    told = subprocess.run(["sqlite3", "-readonly", "-json", str(file), QUERY], capture_output=True, text=True)
    assert [tuple(row.values()) for row in json.loads(told.stdout)] == [ANSWER]


def test_duckdb_reads_them(file: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    packed = find_spec("duckdb_ext")
    if packed is None or packed.submodule_search_locations is None:
        pytest.skip("DuckDB's sqlite extension is not installed (pip install duckdb-ext-sqlite)")
    folder = Path(*packed.submodule_search_locations) / "extensions"
    connection = duckdb.connect(config={"extension_directory": str(folder)})
    connection.execute("LOAD sqlite")
    connection.execute(f"ATTACH '{file}' AS sweeps (TYPE sqlite, READ_ONLY)")
    # It takes every column of another program's view for text.
    query = "SELECT family, psnr::DOUBLE, fps::DOUBLE FROM sweeps.results WHERE fps::DOUBLE >= 25"
    assert connection.execute(query).fetchall() == [("eSR-TM", 33.0, 30.0)]


def test_duckdb_reads_an_export_without_an_extension(file: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    page = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
    found = re.search(r'duckdb -c "(.*)"\n', page)
    assert found is not None
    out = tmp_path / "results.parquet"
    assert CliRunner().invoke(app, ["export-results", "--db", str(file), "--out", str(out)]).exit_code == 0
    query = found[1].replace('\\"', '"').replace("results.parquet", str(out))
    assert duckdb.sql(query).fetchall() == [("eSR-TM", 2, 33.0)]


def test_datasette_serves_them(file: Path) -> None:
    pytest.importorskip("datasette", reason="pip install datasette")
    told = subprocess.run(
        [sys.executable, "-m", "datasette", "--get", "/sweep/results.json?_shape=array", str(file)],
        capture_output=True,
        text=True,
    )
    assert {row["config"] for row in json.loads(told.stdout)} == {key(1).config, key(2).config}


def test_the_queries_of_the_documentation_run(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
    blocks = [block for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "ATTACH" not in block]
    quoted = re.findall(r'"(SELECT [^"]*)"\n', page.split("## DuckDB")[0])
    assert blocks and quoted
    with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
        for query in [*quoted, *(part for block in blocks for part in block.split(";") if part.strip())]:
            connection.execute(query).fetchall()
