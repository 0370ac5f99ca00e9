"""Beside each result stands what trained it."""

from __future__ import annotations

import platform

import pytest
import torch

from search_space import parse_id
from search_space.facts import CudaState, Done
from tests.workers_tests.packs.fakecuda import fake_cuda
from workers import device_model
from workers import task as task_module
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
    assert done.provenance.cuda is None, "a CPU has no such state"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: 13.2.0",
            "580.65.06",
        ),
        ("nothing known", None),
    ],
)
def test_the_driver_is_the_one_that_linux_names(text, version, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(device_model, "NVIDIA_DRIVER", tmp_path / "version")
    assert device_model.driver_version() is None
    (tmp_path / "version").write_text(text)
    assert device_model.driver_version() == version


@pytest.mark.parametrize("name", ["fp32", "tf32"])
def test_the_fact_of_a_training_on_a_gpu_says_driver_tf32_and_autotuning(name, images, tmp_path, monkeypatch) -> None:
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 2024\n")
    monkeypatch.setattr(device_model, "NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    recipe = RECIPE.with_changes(steps=1, precision=name)
    task = PackTask((TrialTask(1, 1, CONFIGS[0].id, 0, plain=True),), recipe.to_json(), device="cuda")
    with fake_cuda():
        (done,) = run_pack(task, images, [images])
    assert isinstance(done, Done), done.error
    assert done.provenance is not None and done.provenance.device == "made-up GPU"
    on = name == "tf32"
    cudnn = torch.backends.cudnn.version()
    expected = CudaState("550.54.15", torch.version.cuda, None if cudnn is None else str(cudnn), on, on, True)
    assert done.provenance.cuda == expected
    assert torch.backends.cudnn.allow_tf32


def test_a_processor_is_named_by_its_maker(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nprocessor\t: 1\n")
    monkeypatch.setattr(device_model, "CPUINFO", info)
    assert device_model.processor_model() == "Some CPU @ 3 GHz"
    info.write_text("processor\t: 0\nModel\t\t: Raspberry Pi 4 Model B\n")
    assert device_model.processor_model() == "Raspberry Pi 4 Model B"
    monkeypatch.setattr(device_model, "CPUINFO", tmp_path / "none")
    assert device_model.processor_model() == (platform.processor() or platform.machine())


@pytest.mark.parametrize("fits", [True, False], ids=["fits", "does not fit"])
def test_a_training_on_a_gpu_is_measured_there_or_where_its_images_fit(fits, images, monkeypatch) -> None:
    evaluate, seen = task_module.protocol.evaluate, list[str]()

    def watched(config, module, images, device="cpu"):
        seen.append(device)
        if device != "cpu" and not fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluate(config, module, images, device=device)

    monkeypatch.setattr(task_module.protocol, "evaluate", watched)
    recipe, members = RECIPE.with_changes(steps=1), (TrialTask(1, 1, CONFIGS[0].id, 0, plain=True),)
    (expected,) = run_pack(PackTask(members, recipe.to_json()), images, [images])
    with fake_cuda():
        (done,) = run_pack(PackTask(members, recipe.to_json(), device="cuda"), images, [images])
    assert isinstance(done, Done) and isinstance(expected, Done)
    assert seen == (["cpu", "cuda"] if fits else ["cpu", "cuda", "cpu"])
    for one, other in zip(done.quality, expected.quality, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-3)
