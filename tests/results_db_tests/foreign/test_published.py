from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from results_db.foreign import published
from results_db.reading import frames
from results_db.store import Store
from search_space.errors import BadData, SweepError
from sweep.cli.main import app
from tests.results_db_tests.kit.published import Runs, document, write

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[3].parent / "shared"))
REAL = SHARED / "published" / "tests.pkl"


def test_the_published_figures_become_a_sweep_of_their_own(store: Store, tmp_path: Path) -> None:
    table = published.read(write(tmp_path / "tests.pkl", document()))
    done = published.keep(store, table)
    assert (done.configs, done.quality.new, done.speed.new) == (3, 45, 9)
    frame = frames.results(store, sweep="published").set_index(["config", "device"])
    assert len(frame) == 9
    assert set(frame["source"]) == {"published"}
    original = document()["eSR-TM_s2_K5_C4"]
    agx = frame.loc[("eSR-TM_s2_K5_C4", "AGX")]
    assert agx["psnr:BSDS100"] == original["psnr_BSDS100"]
    assert (agx["power_w"], agx["parameters"], agx["family"], agx["scale"]) == (2.787, 800, "eSR-TM", 2)
    maxq = frame.loc[("eSR-TM_s2_K5_C4", "MaxQ")]
    assert (maxq["power_w"], maxq["temperature_c"], maxq["memory_mib"]) == (66.0, 76.0, 1825.0)
    rpi = frame.loc[("eSR-TM_s2_K5_C4", "RPI")]
    assert (rpi["fps"], rpi["cpu_percent"]) == (2.25, 355.25)
    assert rpi[["power_w", "memory_mib", "energy_j"]].isna().all()


def test_importing_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    table = published.read(write(tmp_path / "tests.pkl", document()))
    published.keep(store, table)
    again = published.keep(store, table)
    assert (again.quality.new, again.quality.same, again.speed.same) == (0, 45, 9)
    assert len(frames.results(store)) == 9


def test_published_figures_never_mix_with_ours(store: Store, tmp_path: Path) -> None:
    from tests.results_db_tests.kit.facts import finish, planned

    published.keep(store, published.read(write(tmp_path / "tests.pkl", document())))
    sweep, trials = planned(store, 4)
    finish(store, trials)
    assert store.counts(sweep).planned == 4
    assert set(frames.results(store, sweep=sweep)["source"]) == {"ours"}
    sources = frames.results(store).groupby("config")["source"].unique().loc["eSR-TM_s2_K5_C4"]
    assert set(sources) == {"ours", "published"}


def broken(change: dict[str, Any]) -> Any:
    return {"eSR-TM_s2_K5_C4": document()["eSR-TM_s2_K5_C4"] | change}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "holds no results"),
        (3, "holds no results"),
        ({"eSR-TM_s5_K5_C4": {}}, "scale"),
        ({"nonsense": {}}, "not a config id"),
        ({"eSR-TM_s2_K5_C4": 3}, "no measurements"),
        ({"eSR-TM_s2_K5_C4": {"height": 3}}, "no measurement that is known"),
        (broken({"psnr_Set5": float("nan")}), "psnr_Set5 is nan"),
        (broken({"psnr_Set5": 10**400}), "psnr_Set5 is inf"),
        (broken({"psnr_Set5": "high"}), "psnr_Set5 is not a number"),
        (broken({"speed_AGX": 0.0}), "not above 0"),
    ],
)
def test_a_table_that_is_not_right_is_refused_by_name(content: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=reason):
        published.read(write(tmp_path / "tests.pkl", content))


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20), st.tuples)
FIGURES = st.sampled_from(["psnr_Set5", "speed_AGX", "power_AGX", "parameters", "psnr_", "_", ""])
IDS = st.sampled_from(["eSR-TM_s2_K5_C4", "Bicubic_s2", "x", ""])


@given(st.dictionaries(IDS, st.dictionaries(FIGURES, JSON, max_size=5) | JSON, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_document_is_a_table_or_refused(content: Any) -> None:
    try:
        published.table(content)
    except BadData as error:
        assert "\n" not in str(error)


def test_only_a_pickle_is_taken(tmp_path: Path) -> None:
    other = tmp_path / "tests.csv"
    other.write_text("config")
    with pytest.raises(SweepError, match="import-table"):
        published.read(other)
    with pytest.raises(SweepError, match="there is no file"):
        published.read(tmp_path / "none.pkl")


def test_the_command_imports_and_says_what_it_did(tmp_path: Path) -> None:
    file = write(tmp_path / "tests.pkl", document())
    db = str(tmp_path / "sweep.db")
    result = CliRunner().invoke(app, ["published", "import", str(file), "--db", db, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "sweep": "published",
        "configs": 3,
        "quality": {"new": 45, "same": 0, "different": 0},
        "speed": {"new": 9, "same": 0, "different": 0},
    }


def test_the_command_refuses_a_hostile_file_without_running_it(tmp_path: Path) -> None:
    witness = tmp_path / "was-run"
    file = tmp_path / "tests.pkl"
    file.write_bytes(pickle.dumps({"eSR-TM_s2_K5_C4": Runs(f"touch {witness}")}))
    result = CliRunner().invoke(app, ["published", "import", str(file), "--db", str(tmp_path / "sweep.db")])
    assert isinstance(result.exception, BadData)
    assert not witness.exists()
    assert not (tmp_path / "sweep.db").exists()


@pytest.mark.skipif(not REAL.exists(), reason="the authors' results are not on this machine")
def test_the_authors_own_file_is_read_whole(tmp_path: Path) -> None:
    table = published.read(REAL)
    assert (len(table.configs), len(table.qualities), len(table.speeds)) == (1185, 1185 * 15, 1185 * 3)
    power = [one.power_w for one in table.speeds if one.device == "AGX" and one.power_w is not None]
    assert min(power) > 1 and max(power) < 30
    with Store.open(str(tmp_path / "sweep.db")) as store:
        assert published.keep(store, table).quality.new == 17775
        frame = frames.results(store, sweep="published", device="AGX", metrics=["psnr:Set5"])
    row = frame.set_index("config").loc["Bicubic_s2"]
    assert round(row["psnr:Set5"], 2) == 33.73
    assert round(row["fps"], 1) == 18.7
