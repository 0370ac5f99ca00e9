"""Facts in the detail of a speed are columns of the results, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from results_db.reading import export, frames
from results_db.store import Store
from tests.results_db_tests.kit.facts import finish, planned, speed

CONFIG = "eSR-TM_s2_K5_C1"


def test_a_disturbed_speed_is_told_from_a_quiet_one_and_from_one_that_says_nothing(store: Store) -> None:
    _, trials = planned(store, 3)
    finish(store, trials[:2])
    noisy = replace(speed(CONFIG, 30.0), detail={"disturbed": True, "threads": 2, "output": [1920, 1080]})
    quiet = replace(speed("eSR-TM_s2_K5_C2", 9.0), detail={"disturbed": False})
    store.add_speeds([noisy, quiet, replace(speed("Bicubic_s3", 9.0), detail={})])
    table = frames.results(store).set_index("config")
    assert table["disturbed"].astype(object).where(table["disturbed"].notna(), None).to_dict() == {
        CONFIG: True, "eSR-TM_s2_K5_C2": False, "Bicubic_s3": None
    }  # fmt: skip
    assert table.loc[CONFIG, ["threads", "output"]].tolist() == [2, "1920x1080"]
    assert pd.isna(table.loc["Bicubic_s3", "output"])


def test_an_export_has_a_column_that_says_which_speeds_were_disturbed(store: Store, tmp_path) -> None:
    store.add_speeds([replace(speed(CONFIG, 30.0), detail={"disturbed": True}), speed("Bicubic_s3", 9.0)])
    for form in export.FORMATS:
        export.write(frames.results(store), tmp_path / f"r.{form}", form)
    read = pd.read_csv(tmp_path / "r.csv")
    assert read["disturbed"].tolist()[0] in (True, "True")
    assert pd.isna(read["disturbed"].tolist()[1])
    assert pd.read_parquet(tmp_path / "r.parquet")["disturbed"].tolist() == [True, pd.NA]
    assert pd.read_json(tmp_path / "r.json")["disturbed"].tolist()[0] == 1
