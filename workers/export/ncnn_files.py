"""A network as ncnn's two files, converted by pnnx for any height and width."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space.errors import BadWeights, MissingExtra

SIZES = ((24, 32), (40, 36))
"""Two examples: pnnx leaves free what differs between them."""
WEIGHTS_ENDING = ".bin"


def to_ncnn(module: nn.Module) -> tuple[bytes, bytes]:
    """The ``.param`` (layers) and ``.bin`` (float32 weights) of a deployed network; input ``in0``, output ``out0``.

    Raises MissingExtra without ncnn and pnnx, BadWeights for a network that pnnx cannot convert.
    """
    for name in ("ncnn", "pnnx"):
        if find_spec(name) is None:
            raise MissingExtra(f"ncnn files need {name}: pip install 'edge-sweep[ncnn]'")
    import pnnx

    first, second = (torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0)) for size in SIZES)
    with tempfile.TemporaryDirectory() as folder, silent():
        pnnx.export(module, str(Path(folder) / "net.pt"), first, second, fp16=False)
        parameters, weights = Path(folder) / "net.ncnn.param", Path(folder) / "net.ncnn.bin"
        if not parameters.is_file() or not weights.is_file():
            raise BadWeights("pnnx cannot convert this network")
        return parameters.read_bytes(), weights.read_bytes()


class NcnnRunner:
    """The two files, loaded as a board would load them; (1, 1, H, W) to (1, 1, sH, sW)."""

    def __init__(self, parameters: bytes, weights: bytes, threads: int = 1) -> None:
        import ncnn

        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_fp16_packed = self.net.opt.use_fp16_storage = self.net.opt.use_fp16_arithmetic = False
        with tempfile.TemporaryDirectory() as folder:
            layers, values = Path(folder) / "net.param", Path(folder) / "net.bin"
            layers.write_bytes(parameters)
            values.write_bytes(weights)
            if self.net.load_param(str(layers)) or self.net.load_model(str(values)):
                raise BadWeights("ncnn cannot load these files")

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises BadWeights when ncnn gives no image."""
        import ncnn

        # A Mat only points at the array, which must outlive it.
        pixels = np.ascontiguousarray(x[0])
        extractor = self.net.create_extractor()
        extractor.input("in0", ncnn.Mat(pixels).clone())
        status, out = extractor.extract("out0")
        if status:
            raise BadWeights(f"ncnn fails on an image of {pixels.shape[1:]} (status {status})")
        return np.array(out, dtype=np.float32).reshape(1, 1, *np.array(out).shape[-2:])


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """pnnx and its child process write their progress straight to the terminal."""
    saved = [os.dup(1), os.dup(2)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for number, handle in enumerate(saved, 1):
            os.dup2(handle, number)
            os.close(handle)
        os.close(null)
