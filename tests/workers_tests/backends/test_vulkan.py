"""The shader in libplacebo as a backend of the benchmark."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from search_space import parse_id
from search_space.errors import BadData, MissingExtra
from workers.backends import Job, find
from workers.backends.vulkan import AHEAD, Player
from workers.benchmark import benchmark
from workers.benchmark.agreement import as_array
from workers.benchmark.protocols import QHD5, varied
from workers.benchmark.subject import build
from workers.export.deployed_form import deployed
from workers.export.glsl import libplacebo, shader
from workers.export.metadata import Metadata

player = pytest.mark.skipif(libplacebo.device() is None, reason=libplacebo.NEEDS)


def job(name: str, batch: int = 1) -> Job:
    config = parse_id(name)
    x = torch.rand(batch, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    return Job(name, build(config), config.scale, x)


@player
@pytest.mark.parametrize("name", ["eSR-MAX_s3_K3_C2", "FSRCNN_s2_D6_S3_M1"])
def test_it_gives_the_image(name: str) -> None:
    work = job(name)
    with torch.inference_mode():
        want = work.module(work.input).clamp(0, 1).numpy()
    # The input goes in with 10 bits, which an untrained network may enlarge.
    assert abs(as_array(find("vulkan").prepare(work)()) - want).mean() < 1e-3


@player
def test_each_frame_is_one_answer_and_the_process_ends_with_it() -> None:
    config = parse_id("eSR-MAX_s2_K3_C1")
    text = shader(deployed(build(config)), Metadata.of(config))
    shown = Player(text, (40, 30), 2, 1)
    process = shown.process
    for _ in range(2 * AHEAD):
        shown.show()
    assert not shown.answers(1.0)
    del shown
    gc.collect()
    assert process.poll() is not None


@player
def test_a_player_that_has_ended_is_one_clean_error() -> None:
    shown = Player(shader(deployed(build(parse_id("Bicubic_s2"))), Metadata.of(parse_id("Bicubic_s2"))), (40, 30), 2, 1)
    shown.process.kill()
    with pytest.raises(BadData, match="libplacebo ended"):
        for _ in range(AHEAD):
            shown.show()


@pytest.mark.slow
@player
def test_a_benchmark_stores_the_driver_of_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr("workers.timing.turns.PATIENT_S", 0.0)
    small = varied(QHD5, size=(96, 64), threads=1)
    (speed,) = benchmark([parse_id("eSR-MAX_s2_K3_C1")], device_name="here", backend="vulkan", protocol=small)
    assert speed.backend == "vulkan" and speed.fps > 0
    assert speed.detail["vulkan"] == libplacebo.device()


def test_a_batch_and_a_machine_without_a_device_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libplacebo, "device", lambda: None)
    with pytest.raises(MissingExtra, match="mesa-vulkan-drivers"):
        find("vulkan").refuse("fp32", "cpu")
    monkeypatch.setattr(libplacebo, "device", lambda: "one")
    with pytest.raises(BadData, match="batch must be 1"):
        find("vulkan").prepare(job("Bicubic_s2", batch=2))
    with pytest.raises(BadData, match="has no fp16"):
        find("vulkan").refuse("fp16", "cpu")
