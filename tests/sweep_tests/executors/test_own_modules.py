"""A user's own files with the names of our packages, in the folder a sweep is started from, are never imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sweep_tests.conftest import command

RUN = (
    *("run", "--space", "demo", "--recipe", "smoke", "--steps", "2", "--no-benchmark", "--db", "s.db"),
    *("--cpus-per-worker", "2"),
)
MARK = "import os\nopen(os.environ['EDGE_SWEEP_TEST_MARK'], 'a').write(__name__ + '\\n')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules write down that they were imported."""
    here = tmp_path / "mine"
    here.mkdir()
    for name in ("sweep.py", "search_space.py", "results_db.py"):
        (here / name).write_text(MARK)
    for name in ("workers", "analysis"):
        (here / name).mkdir()
        (here / name / "__init__.py").write_text(MARK)
    monkeypatch.setenv("EDGE_SWEEP_TEST_MARK", str(tmp_path / "imported"))
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    return here


def test_a_sweep_on_ray_workers_imports_none_of_them(folder, small_data, tmp_path):
    done = command(*RUN, "--limit", "2", "--json", "--data-root", str(small_data), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 2
    assert (folder / "s.db").exists() and not (tmp_path / "imported").exists()


def test_workers_read_a_relative_data_root_from_the_folder_of_the_driver(folder, small_data, tmp_path):
    (folder / "data").symlink_to(small_data)
    done = command(*RUN, "--limit", "1", "--data-root", "data", "--data-via", "path", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "imported").exists()


def test_a_benchmark_on_a_ray_node_imports_none_of_them(folder, tmp_path):
    asked = ("benchmark", "Bicubic_s2", "--protocol", "qhd5", "--size", "96x96", "--address", "local", "--json")
    done = command(*asked, "--db", "s.db", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 1
    assert not (tmp_path / "imported").exists()
