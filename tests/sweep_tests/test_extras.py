"""What an extra brings is refused with the pip command that brings it, not with an ImportError."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from results_db.reading import export
from search_space.errors import MissingExtra
from sweep.executors import by_name as executors
from sweep.tracking import by_name as trackers

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("missing", executors.TUNE_NEEDS)
def test_ray_tune_is_refused_without_what_it_needs(monkeypatch, missing):
    monkeypatch.setattr(executors, "find_spec", lambda name: None if name == missing else object())
    executors.check_name("actors")
    with pytest.raises(MissingExtra, match=r"pip install 'edge-sweep\[tune\]'"):
        executors.check_name("tune")


def test_parquet_is_refused_without_pyarrow_and_leaves_no_file(monkeypatch, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'edge-sweep\[parquet\]'"):
        export.write(pd.DataFrame({"a": [1]}), tmp_path / "t.parquet", "parquet")
    assert not list(tmp_path.iterdir())
    export.write(pd.DataFrame({"a": [1]}), tmp_path / "t.csv", "csv")


def test_every_extra_that_a_message_names_is_there():
    assert {"tune", "parquet", *trackers.NEEDS} <= set(EXTRAS)
    for name, package in trackers.NEEDS.items():
        assert any(wanted.startswith(package) for wanted in EXTRAS[name])
