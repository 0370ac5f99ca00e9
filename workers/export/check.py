"""Compares an exported file with its network on real images."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space.config import Config
from search_space.errors import BadWeights, MissingExtra
from workers.data.image_set import ImageSet
from workers.quality.protocol import evaluate, prepare, psnr, shave

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(N, 1, H, W) to (N, 1, sH, sW), float32."""
LIMITS = {"fp32": 1e-5, "fp16": 1e-2}
"""Largest difference from torch that counts as rounding, of outputs in [0, 1]; int8 has none and is judged by PSNR."""
NCNN_LIMIT = 1e-4
"""ncnn computes 3 x 3 convolutions by Winograd's method, which rounds more."""
SHADERS = ("glsl", "glsl-fragment")
SHADER_LIMIT = 2 / 1023
"""A player's planes are rounded to half precision or 16 bits: two levels of a 10-bit picture."""
MAX_LOSS = 0.5
"""dB: more than the next smaller network costs, which is the better choice then."""


@dataclass(frozen=True)
class Check:
    """An exported file against the network it came from, on the same images."""

    images: int
    max_difference: float
    """Largest absolute difference of an output pixel; outputs lie in [0, 1]."""
    psnr_torch: float
    """dB, mean over images, under the quality protocol."""
    psnr_file: float
    ran_by: str = ""
    """The runtime that ran the file, where it is not the format's only one."""

    @property
    def psnr_change(self) -> float:
        """dB; negative is worse."""
        return 0.0 if self.psnr_file == self.psnr_torch else self.psnr_file - self.psnr_torch


def check(data: bytes, form: str, config: Config, module: nn.Module, images: ImageSet, weights: bytes = b"") -> Check:
    """Load the bytes afresh and compare; ``module`` is the network as trained, in float32.

    ``weights`` is the second file of a format that has two (ncnn).
    """
    run, ran_by = _running(data, form, config, module, weights)
    worst, values = 0.0, []
    with torch.inference_mode():
        for pair in prepare(images, config.scale):
            want = module(pair.lr)
            if form in SHADERS:
                # What lies outside is no colour, and a player cuts it off.
                want = want.clamp(0, 1)
            got = torch.from_numpy(run(pair.lr.numpy()))
            if got.shape != want.shape:
                raise BadWeights(f"the exported {form} gives {tuple(got.shape)}, not {tuple(want.shape)}")
            worst = max(worst, float((got - want).abs().max()))
            shaved = shave(got.clamp(0, 1) * 255, config.scale), shave(pair.hr, config.scale)
            values.append(float(psnr(*shaved)))
    (torch_psnr,) = evaluate(config, module, images, ("psnr",))
    return Check(len(values), worst, torch_psnr.value, sum(values) / len(values), ran_by)


def limit(form: str, precision: str) -> float | None:
    """Largest difference from torch that is rounding; None where PSNR alone counts."""
    if form == "ncnn":
        return NCNN_LIMIT
    return SHADER_LIMIT if form in SHADERS else LIMITS.get(precision)


def _running(data: bytes, form: str, config: Config, module: nn.Module, weights: bytes) -> tuple[Run, str]:
    if form == "ncnn":
        from workers.export.ncnn_files import NcnnRunner

        return NcnnRunner(data, weights), "ncnn"
    if form == "tflite":
        from workers.export.tflite import TfliteRunner

        return TfliteRunner(data), "LiteRT"
    if form not in SHADERS:
        return runner(data, form, config), ""
    from workers.export.deployed_form import deployed
    from workers.export.glsl.running import runner as shader_runner

    return shader_runner(data.decode(), deployed(module), config.scale)


def runner(data: bytes, form: str, config: Config) -> Run:
    """A function that runs the exported bytes as their own runtime does."""
    if form == "onnx":
        return onnx_runner(data)
    if form == "safetensors":
        from workers.training.weights import load

        return _torch_runner(load(config, data))
    if form == "torchscript":
        return _torch_runner(torch.jit.load(io.BytesIO(data)))  # type: ignore[no-untyped-call]
    return _torch_runner(torch.export.load(io.BytesIO(data)).module())


def onnx_runner(data: bytes, threads: int = 0) -> Run:
    """An ONNX Runtime session on the CPU."""
    if find_spec("onnxruntime") is None:
        raise MissingExtra("running ONNX needs onnxruntime: pip install 'edge-sweep[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = session.run(["y"], {"x": x})[0]
        return out

    return run


def _torch_runner(module: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return module(torch.from_numpy(x)).float().numpy()

    return run
