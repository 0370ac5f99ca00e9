"""A network as a LiteRT (TensorFlow Lite) file, converted by litert-torch for one height and width."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search_space.errors import BadWeights, MissingExtra, first_line
from workers.data.image_set import ImageSet, Pixels
from workers.export.graphs import Named
from workers.export.ncnn_files import silent

SIZE = (128, 128)
"""Height and width of the input where none are asked for."""


def to_tflite(module: nn.Module, size: tuple[int, int] = SIZE) -> bytes:
    """The file of a deployed network: input (1, 1, height, width), output (1, 1, scale height, scale width), float32.

    The sides are fixed: litert-torch (0.10) cannot convert a pixel shuffle of free ones. Raises MissingExtra without
    litert-torch, BadWeights for a network that it cannot convert.
    """
    _require("litert_torch")
    import litert_torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        try:
            with silent():
                litert_torch.convert(Named(module).eval(), (torch.zeros(1, 1, *size),)).export(str(path))
        except Exception as error:  # the converter raises its own kinds
            raise BadWeights(f"litert-torch cannot convert this network ({first_line(error, 160)})") from None
        return path.read_bytes()


def pieces(images: ImageSet, scale: int, size: tuple[int, int]) -> ImageSet:
    """The top left piece of each image whose small image has ``size``; what is smaller is mirrored to it."""
    height, width = (side * scale for side in size)

    def piece(pixels: Pixels) -> Pixels:
        part = pixels[:height, :width]
        missing = ((0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0))
        return np.pad(part, missing[: part.ndim], "symmetric")

    return ImageSet(images.name, images.names, tuple(piece(pixels) for pixels in images.pixels))


class TfliteRunner:
    """The file, run by LiteRT's interpreter; (1, 1, H, W) to (1, 1, sH, sW)."""

    def __init__(self, data: bytes, threads: int = 1) -> None:
        _require("ai_edge_litert")
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_content=data, num_threads=threads)
        self.interpreter.allocate_tensors()

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises BadWeights for another size than the file's."""
        entry, out = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        if tuple(entry["shape"]) != x.shape:
            raise BadWeights(f"this tflite file takes {tuple(entry['shape'])}, not {x.shape}")
        self.interpreter.set_tensor(entry["index"], np.ascontiguousarray(x))
        self.interpreter.invoke()
        made: NDArray[np.float32] = self.interpreter.get_tensor(out["index"])
        return made


def _require(name: str) -> None:
    if find_spec(name) is None:
        raise MissingExtra("tflite files need litert-torch and ai-edge-litert: pip install 'edge-sweep[tflite]'")
