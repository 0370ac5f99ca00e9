import shutil
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from search_space import parse_id
from search_space.errors import BadData, MissingExtra
from workers.backends import Backend, Job, backends, find
from workers.benchmark.agreement import as_array
from workers.benchmark.subject import build
from workers.timing.float32 import TF32_OVERRIDE

NEEDS = {"onnxruntime": ("onnxruntime", "onnxscript"), "openvino": ("openvino", "onnxscript"), "ncnn": ("ncnn", "pnnx")}
LIMITS = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1, "int8": 0.5}


def job(name: str, precision: str = "fp32", channels_last: bool = False) -> Job:
    config = parse_id(name)
    x = torch.rand(1, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    return Job(name, build(config), config.scale, x, precision, "cpu", 1, channels_last)


def same(backend: str, name: str, precision: str = "fp32", channels_last: bool = False) -> None:
    if any(find_spec(module) is None for module in NEEDS.get(backend, ())):
        pytest.skip(f"{backend} is not installed")
    work = job(name, precision, channels_last)
    with torch.inference_mode():
        want = build(parse_id(name))(work.input).numpy()
    got = as_array(find(backend).prepare(work)())
    assert np.abs(got.reshape(want.shape) - want).max() < LIMITS[precision]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_eager_gives_the_image_in_every_precision_and_layout(precision: str, channels_last: bool) -> None:
    same("eager", "eSR-CNN_s2_C2_D3_S6", precision, channels_last)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_onnx_runtime_gives_the_image(precision: str) -> None:
    same("onnxruntime", "eSR-TM_s2_K3_C4", precision)


@pytest.mark.parametrize("name", ["eSR-TR_s3_K3_C3", "FSRCNN_s2_D6_S3_M1"])
def test_openvino_gives_the_image(name: str) -> None:
    same("openvino", name)


@pytest.mark.parametrize("name", ["eSR-MAX_s3_K3_C2", "eSR-TM_s2_K3_C4", "ESPCN_s4_D4_S12"])
def test_ncnn_gives_the_image(name: str) -> None:
    same("ncnn", name)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compile_gives_the_image() -> None:
    same("compile", "eSR-TM_s2_K3_C4")


def options_asked_for(
    backend: str, precision: str, monkeypatch: pytest.MonkeyPatch, compute: str = "cuda"
) -> dict[str, dict[str, object]]:
    """By provider, the options with which a backend would make its session on a GPU."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    asked = {}

    def session(model: bytes, options: object, providers: list[tuple[str, dict[str, object]]]) -> object:
        asked.update(providers)
        raise RuntimeError("this machine has no GPU")

    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with pytest.raises(RuntimeError, match="no GPU"):
        find(backend).prepare(replace(job("Bicubic_s2", precision), compute=compute))
    return asked


def test_onnx_runtime_computes_on_the_gpu_that_holds_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = options_asked_for("onnxruntime", "fp16", monkeypatch, "cuda:1")
    assert asked["CUDAExecutionProvider"]["device_id"] == 1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnx_runtime_computes_float32_on_a_gpu_without_tf32(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert options_asked_for("onnxruntime", precision, monkeypatch)["CUDAExecutionProvider"]["use_tf32"] == 0


def test_tensorrt_refuses_a_float32_that_would_be_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TF32_OVERRIDE, raising=False)
    with pytest.raises(BadData, match=f"{TF32_OVERRIDE}=0"):
        options_asked_for("tensorrt", "fp32", monkeypatch)
    assert find("tensorrt").about() == {"tensorrt_tf32": True}
    assert options_asked_for("tensorrt", "fp16", monkeypatch)["TensorrtExecutionProvider"]["trt_fp16_enable"]
    monkeypatch.setenv(TF32_OVERRIDE, "0")
    assert options_asked_for("tensorrt", "fp32", monkeypatch)["TensorrtExecutionProvider"]["device_id"] == 0
    assert find("tensorrt").about() == {"tensorrt_tf32": False}


def test_openvino_refuses_a_precision_the_cpu_has_not_instead_of_pretending() -> None:
    openvino = pytest.importorskip("openvino")
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in able:
        pytest.skip("this CPU has bfloat16")
    with pytest.raises(BadData, match="bf16"):
        find("openvino").prepare(job("Bicubic_s2", "bf16"))


def test_every_backend_is_known_by_name_and_refuses_what_it_has_not() -> None:
    known = backends()
    assert {"eager", "compile", "cudagraph", "onnxruntime", "tensorrt", "openvino", "ncnn"} <= set(known)
    with pytest.raises(BadData, match="does not run on cpu"):
        known["cudagraph"].refuse("fp16", "cpu")
    with pytest.raises(BadData, match="has no int8"):
        known["ncnn"].refuse("int8", "cpu")


def test_a_backend_that_is_not_installed_names_the_pip_command() -> None:
    absent = Backend("x", lambda job: lambda: None, ("fp32",), needs="no_such_module", extra="x")
    with pytest.raises(MissingExtra, match=r"pip install 'edge-sweep\[x\]'"):
        absent.refuse("fp32", "cpu")
