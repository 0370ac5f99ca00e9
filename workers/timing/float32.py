"""Float32 in ONNX Runtime on an NVIDIA GPU, which rounds factors to TF32 unless it is told not to."""

from __future__ import annotations

import os

TF32_OVERRIDE = "NVIDIA_TF32_OVERRIDE"
"""The environment variable that NVIDIA's libraries read once: with 0 none of them uses TF32 in this process."""


def exact_options(provider: str) -> dict[str, int]:
    """Options of an execution provider with which its float32 is float32."""
    return {"use_tf32": 0} if provider == "CUDAExecutionProvider" else {}


def tensorrt_tf32() -> bool:
    """Whether TensorRT may use TF32 here: its default, for which ONNX Runtime has no option."""
    return os.environ.get(TF32_OVERRIDE) != "0"


def why_not_float32(provider: str, precision: str) -> str:
    """Why what a provider would compute is not the float32 it was asked for; empty where it is, or is not asked for."""
    if provider == "TensorrtExecutionProvider" and precision == "fp32" and tensorrt_tf32():
        return (
            "TensorRT computes fp32 in TF32, and ONNX Runtime cannot switch that off: "
            f"set {TF32_OVERRIDE}=0 before the start, or measure fp16"
        )
    return ""
