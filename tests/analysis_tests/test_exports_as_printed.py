"""The export commands that ``sweep best`` prints and that the page copies do what they say, as they are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from analysis.report.content import content
from results_db.records import Source
from results_db.store import Store
from search_space import parse_id
from tests.analysis_tests import kit

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
ASKED = ("best", "--scale", 2, "--device", "board", "--family", "eSR-MAX")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a database of its own."""
    monkeypatch.chdir(tmp_path)


def exported(sweep, typed: str) -> str:
    """Run an export command; the config that the file it wrote says it holds."""
    words = shlex.split(typed)
    assert words[:2] == ["sweep", "export"]
    status, _, err = sweep(*words[1:])
    assert status == 0, err
    model = onnx.load(words[words.index("--out") + 1])
    return next(entry.value for entry in model.metadata_props if entry.key == "edge_sweep.config")


def test_what_best_prints_exports_the_pick(sweep, sweep_db: Path) -> None:
    status, out, err = sweep(*ASKED, "--db", sweep_db)
    assert status == 0, err
    (pick, typed), *_ = re.findall(r"^pick: (\S+) +(sweep export .*)$", out, re.MULTILINE)
    assert exported(sweep, typed) == pick


def test_what_the_page_copies_exports_its_model(sweep, sweep_store: Store) -> None:
    shown = content(sweep_store)
    place = shown.models["config"].index("eSR-MAX_s2_K3_C2")
    assert exported(sweep, shown.exports[place]) == "eSR-MAX_s2_K3_C2"


def test_a_model_without_weights_here_is_exported_with_a_file_of_them(sweep, tmp_path: Path) -> None:
    config, db = parse_id("eSR-MAX_s2_K3_C2"), tmp_path / "paper.db"
    with Store.open(str(db)) as store:
        paper = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        store.add_qualities(paper, kit.qualities(config), Source.PUBLISHED)
        store.add_speeds([kit.speed(config, "board")], Source.PUBLISHED)
    typed = json.loads(sweep(*ASKED, "--db", db, "--json")[1])["export"]
    assert "--weights FILE" in typed
    (tmp_path / "net.safetensors").write_bytes(kit.artifact(config).data)
    assert exported(sweep, typed.replace("FILE", "net.safetensors")) == config.id
