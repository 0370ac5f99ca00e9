"""The repository's own zoo: whole, as its list says, and of use to someone who has nothing else."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from results_db.store import Store
from search_space import parse_id
from search_space.spaces import load_space
from search_space.weights import load
from sweep.zoo import weights
from sweep.zoo.document import Zoo, label, weights_file
from sweep.zoo.load import keep, read
from workers.data.embedded import embedded
from workers.data.image_set import read_folder
from workers.quality.protocol import evaluate
from workers.training.code_digest import code_of
from workers.training.recipe import recipe_for

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "zoo").is_dir(), reason="the zoo is in the repository, not in a release")
SETS = ("Set5", "Set14", "BSDS100")
SET5 = Path(os.environ.get("EDGE_SWEEP_SHARED", ROOT.parent / "shared")) / "datasets" / "Set5"


@pytest.fixture(scope="module")
def zoo() -> Zoo:
    """Reading checks each file against its SHA-256."""
    return read(ROOT / "zoo")


def psnr(zoo: Zoo) -> dict[tuple[str, str], float]:
    return {
        (key.config, one.dataset): one.value for key, done in zoo.trials for one in done.quality if one.metric == "psnr"
    }


def test_it_holds_every_config_of_the_papers_space_once(zoo: Zoo) -> None:
    assert Counter(key.config for key, _ in zoo.trials) == Counter(c.id for c in load_space("paper").configs)
    assert zoo.planned == 1185


def test_no_network_is_below_bicubic_on_any_set(zoo: Zoo) -> None:
    values = psnr(zoo)
    assert len(values) == 3 * 1185
    below = [key for key, value in values.items() if value < values[f"Bicubic_s{parse_id(key[0]).scale}", key[1]]]
    assert below == []


def test_a_sweep_of_the_same_space_and_recipe_finds_its_trials_done(zoo: Zoo) -> None:
    """Fails when code that decides training numbers changes: then the zoo is of older code, and docs have to say so."""
    one_of_each = {key.config.split("_")[0]: key for key, _ in zoo.trials}
    for key in one_of_each.values():
        assert (key.code, key.recipe) == (code_of(parse_id(key.config)), recipe_for("evening").digest), key.config


@pytest.mark.skipif(not SET5.is_dir(), reason="Set5 is not here")
@pytest.mark.parametrize("family", ["Bicubic", "eSR-MAX", "eSR-TM", "eSR-TR", "eSR-CNN", "ESPCN", "FSRCNN"])
def test_the_weights_give_the_quality_that_is_written_with_them(zoo: Zoo, family: str) -> None:
    images, values = read_folder(SET5)[0], psnr(zoo)
    for scale in (2, 3, 4):
        name = next(key.config for key, _ in zoo.trials if key.config.startswith(f"{family}_s{scale}"))
        done = next(done for key, done in zoo.trials if key.config == name)
        config = parse_id(name)
        module = load(config, done.artifacts[0].data)
        (found,) = evaluate(config, module, images, ("psnr",))
        assert found.value == pytest.approx(values[name, "Set5"], abs=1e-4)


def test_exporting_it_again_would_leave_the_files_of_weights_as_they_are(zoo: Zoo) -> None:
    """When speeds are added only facts and tables grow: each file holds what an export packs."""
    networks: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    described: dict[str, dict[str, object]] = {}
    for key, done in zoo.trials:
        networks[weights_file(key.config)][label(key)] = done.artifacts[0].data
        quality = {f"{one.metric}:{one.dataset}": one.value for one in done.quality}
        described[label(key)] = {"id": key.config, "scale": parse_id(key.config).scale, **quality}
    assert {f"weights/{path.name}" for path in (ROOT / "zoo" / "weights").iterdir()} == set(networks)
    for name, of_file in networks.items():
        packed = weights.pack(of_file, {one: described[one] for one in of_file})
        assert weights.same((ROOT / "zoo" / name).read_bytes(), packed), name


def test_someone_with_nothing_else_chooses_enlarges_and_exports(sweep, tmp_path: Path, monkeypatch) -> None:
    """How long it takes is in benchmarks/results/newcomer.json."""
    from PIL import Image

    pixels = embedded("embedded-test").pixels[0]
    height, width = pixels.shape[:2]
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.png")
    assert sweep("zoo", "import", ROOT / "zoo", "--db", "zoo.db")[0] == 0
    status, text, _ = sweep("best", "--db", "zoo.db", "--scale", 2, "--min-fps", 60, "--json")
    found = json.loads(text)
    assert status == 0 and found["pick"] is not None
    assert sweep("upscale", "photo.png", "--db", "zoo.db", "--model", found["pick"], "-o", "out")[0] == 0
    (large,) = Path("out").iterdir()
    assert Image.open(large).size == (2 * width, 2 * height)
    command = shlex.split(found["export"])
    assert command[0] == "sweep" and sweep(*command[1:])[0] == 0
    made = Path(command[command.index("--out") + 1])
    assert made.stat().st_size > 1000 and made.suffix == ".onnx"


@pytest.fixture(scope="module")
def some(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the zoo's smallest and largest of two families at x2, with their speeds."""
    ids = ("Bicubic_s2", "eSR-MAX_s2_K3_C1", "eSR-MAX_s2_K7_C16", "ESPCN_s2_D0_S3", "ESPCN_s2_D64_S32")
    trials = [(key, done) for key, done in zoo.trials if key.config in ids]
    speeds = [speed for speed in zoo.speeds if speed.config in ids]
    assert len(trials) == len(ids) and speeds
    path = tmp_path_factory.mktemp("some") / "zoo.db"
    with Store.open(str(path)) as store:
        keep(store, replace(zoo, trials=trials, speeds=speeds))
    return path


@pytest.mark.parametrize(
    ("words", "file", "begins"),
    [
        (("plot", "pareto"), "chart.png", b"\x89PNG"),
        (("report", "--crops", 0), "report.html", b"<!doctype html>"),
        (("bundle", "eSR-MAX_s2_K3_C1"), "kit.zip", b"#!/usr/bin/env python3"),
    ],
)
def test_charts_the_report_and_a_kit_are_made_of_it(
    sweep, some: Path, tmp_path: Path, words: tuple[object, ...], file: str, begins: bytes
) -> None:
    status, text, error = sweep(*words, "--db", some, "--out", tmp_path / file)
    assert status == 0, error
    assert (tmp_path / file).read_bytes()[: len(begins)].lower() == begins.lower()
    if words[0] == "bundle":
        assert "(1 trained)" in text
