"""Int8: weights and activations on 8 bits, ranges taken from real images (ONNX Runtime's static quantisation)."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import MissingExtra

Luma = NDArray[np.float32]
"""(1, 1, H, W) in [0, 1]."""


def to_int8(onnx: bytes, calibration: Sequence[Luma]) -> bytes:
    """The graph with 8-bit convolutions between quantise and dequantise nodes; metadata is kept.

    Only convolutions are quantised: the head (softmax, products) stays in float32, where it decides quality.
    """
    for name in ("onnx", "onnxruntime"):
        if find_spec(name) is None:
            raise MissingExtra(f"int8 needs {name}: pip install 'edge-sweep[onnx]'")
    import onnx as onnx_package
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out the images once."""

        def __init__(self, images: Iterable[Luma]) -> None:
            self.images = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            """One input, or None at the end."""
            image = next(self.images, None)
            return None if image is None else {"x": image}

    before = onnx_package.load_from_string(onnx)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            out = Path(folder) / "int8.onnx"
            quantize_static(
                before,
                str(out),
                Reader(calibration),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            after = onnx_package.load(str(out))
    finally:
        root.setLevel(level)
    del after.metadata_props[:]
    after.metadata_props.extend(before.metadata_props)
    data: bytes = after.SerializeToString(deterministic=True)
    return data
