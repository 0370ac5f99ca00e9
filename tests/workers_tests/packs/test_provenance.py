"""Beside each result stands what trained it."""

from __future__ import annotations

import platform

import pytest
import torch

from search_space import parse_id
from search_space.facts import Done
from workers import device_model
from workers.data.datasets import resolve
from workers.data.image_set import ImageSet
from workers.packs import Member, compiled, engine, train_pack
from workers.packs.native_engine import NativeEngine
from workers.packs.plain_engine import PlainEngine
from workers.packs.stacked_engine import StackedEngine
from workers.task import PackTask, TrialTask, run_pack
from workers.training.code_digest import code_of
from workers.training.recipe import recipe_for
from workers.training.train import train

RECIPE = recipe_for("smoke").with_changes(steps=6)
CONFIGS = tuple(map(parse_id, ("ESPCN_s2_D2_S3", "ESPCN_s2_D2_S4", "ABPN_s2_D2_M1")))
MEMBERS = [Member(config) for config in CONFIGS]


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return ImageSet("small", ("photograph",), (resolve("embedded-train").pixels[0][:72, :72],))


def test_a_config_alone_is_trained_by_the_reference(images: ImageSet) -> None:
    assert train(CONFIGS[0], RECIPE, images, 0).engines == (f"reference/{code_of(CONFIGS[0])}",)


def test_each_member_of_a_pack_knows_its_engine(images: ImageSet) -> None:
    results = train_pack(MEMBERS, RECIPE, images, compiled=False)
    versions = [engine.version_of(kind) for kind in (StackedEngine, StackedEngine, PlainEngine)]
    assert [result.engines for result in results] == [(version,) for version in versions]
    if not compiled.why_not():
        results = train_pack(MEMBERS, RECIPE, images)
        assert results[0].engines == (engine.version_of(NativeEngine),)


def test_a_member_that_changes_engines_names_them_all(images: ImageSet) -> None:
    kept: list[dict[str, bytes]] = []
    train_pack(MEMBERS[:2], RECIPE, images, compiled=False, save=kept.append, save_every=3)
    alone = train(CONFIGS[0], RECIPE, images, 0, checkpoint=kept[0][MEMBERS[0].key])
    assert alone.engines == (engine.version_of(StackedEngine), f"reference/{code_of(CONFIGS[0])}")


def test_the_version_of_an_engine_is_of_its_own_files(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    native = engine.files_digest(NativeEngine.sources)
    assert len({engine.files_digest(k.sources) for k in (NativeEngine, StackedEngine, PlainEngine)}) == 3
    monkeypatch.setattr(engine, "__file__", str(tmp_path / "engine.py"))
    for name, text in (("native/step.cpp", "a"), ("stack.py", "b")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    digest = engine.files_digest.__wrapped__
    before, whole = digest(NativeEngine.sources), digest()
    (tmp_path / "stack.py").write_text("c")
    assert digest(NativeEngine.sources) == before and digest() != whole
    (tmp_path / "native" / "step.cpp").write_text("d")
    assert before != digest(NativeEngine.sources) and before != native


def test_the_fact_of_a_training_says_device_precision_and_torch(images: ImageSet) -> None:
    task = PackTask((TrialTask(1, 1, CONFIGS[0].id, 0, plain=True),), RECIPE.to_json())
    (done,) = run_pack(task, images, [images])
    assert isinstance(done, Done) and done.provenance is not None
    assert done.provenance.device == device_model.device_model() != ""
    assert (done.provenance.precision, done.provenance.torch) == ("fp32", torch.__version__)
    assert done.provenance.engines == (f"reference/{code_of(CONFIGS[0])}",)


def test_a_processor_is_named_by_its_maker(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nprocessor\t: 1\n")
    monkeypatch.setattr(device_model, "CPUINFO", info)
    assert device_model.processor_model() == "Some CPU @ 3 GHz"
    info.write_text("processor\t: 0\nModel\t\t: Raspberry Pi 4 Model B\n")
    assert device_model.processor_model() == "Raspberry Pi 4 Model B"
    monkeypatch.setattr(device_model, "CPUINFO", tmp_path / "none")
    assert device_model.processor_model() == (platform.processor() or platform.machine())
