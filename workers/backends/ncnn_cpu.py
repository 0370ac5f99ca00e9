"""Tencent's ncnn on the CPU, through pnnx."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from search_space.errors import BadData, MissingExtra
from workers.backends.core import Frame, Job, backend
from workers.export.ncnn_files import silent


@backend("ncnn", ("fp32",), needs="ncnn", extra="ncnn")
def ncnn_cpu(job: Job) -> Frame:
    """The traced module converted by pnnx. ncnn has no batch axis, so the batch must be 1."""
    if find_spec("pnnx") is None:
        raise MissingExtra("backend ncnn needs pnnx to convert: pip install 'edge-sweep[ncnn]'")
    if job.input.shape[0] != 1:
        raise BadData("ncnn runs one image at a time: the batch must be 1")
    import ncnn
    import pnnx

    net = ncnn.Net()
    net.opt.num_threads = job.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder, silent():
        pnnx.export(job.module, str(Path(folder) / "net.pt"), job.input, fp16=False)
        parameters, weights = Path(folder) / "net.ncnn.param", Path(folder) / "net.ncnn.bin"
        if not parameters.is_file() or net.load_param(str(parameters)) or net.load_model(str(weights)):
            raise BadData(f"ncnn cannot run {job.name}")
    # A Mat only points at the array, which must therefore outlive it.
    pixels = job.input.numpy()[0].copy()
    image = ncnn.Mat(pixels).clone()

    def frame() -> Any:
        extractor = net.create_extractor()
        extractor.input("in0", image)
        status, out = extractor.extract("out0")
        if status:
            raise BadData(f"ncnn failed on {job.name} (status {status})")
        return np.array(out)[None]

    return frame
