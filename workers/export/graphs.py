"""A network as bytes of each file format: ONNX, TorchScript, PT2, safetensors."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from search_space.errors import BadData, MissingExtra
from workers.export.metadata import Metadata
from workers.export.onnx_graph import IR_VERSION, with_softmax_written_out, without_sizes

FORMATS = {
    "onnx": ".onnx",
    "torchscript": ".pt",
    "pt2": ".pt2",
    "safetensors": ".safetensors",
    "glsl": ".glsl",
    "glsl-fragment": ".glsl",
    "ncnn": ".param",
    "tflite": ".tflite",
}
OPSET = 18


class Half(nn.Module):
    """A network that computes in half precision and takes and returns float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.half()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) float32 to (N, 1, sH, sW) float32."""
        out: Tensor = self.module(x.half())
        return out.float()


def to_format(module: nn.Module, form: str, metadata: Metadata) -> bytes:
    """``module`` (deployed, evaluation mode, on the CPU) as a file of ``form`` with the metadata inside.

    Height, width and batch stay free. Raises BadData for an unknown format, MissingExtra without onnx.
    """
    if form == "onnx":
        return to_onnx(module, metadata.items())
    if form == "torchscript":
        return _torchscript(module, metadata.items())
    if form == "pt2":
        return _pt2(module, metadata.items())
    if form == "safetensors":
        from safetensors.torch import save

        state = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
        return save(state, metadata.items())
    if form in ("glsl", "glsl-fragment"):
        from workers.export.glsl import shader

        return shader(module, metadata, form).encode()
    raise BadData(f"there is no export format {form!r} (choose from {', '.join(FORMATS)})")


def to_onnx(module: nn.Module, metadata: dict[str, str] | None = None) -> bytes:
    """ONNX with input ``x`` (batch, 1, height, width) and output ``y``, all but the channel free."""
    for name in ("onnx", "onnxscript"):
        if find_spec(name) is None:
            raise MissingExtra(f"ONNX export needs {name}: pip install 'edge-sweep[onnx]'")
    shapes = {"x": {0: "batch", 2: "height", 3: "width"}}
    with _quietly():
        program = torch.onnx.export(
            Named(module).eval(),
            (_example(),),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=["x"],
            output_names=["y"],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter notes the paths of source files, which should not leave this machine.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    model.ir_version = IR_VERSION
    without_sizes(model)
    with_softmax_written_out(model)
    return _stamped(model, metadata or {})


def with_metadata(onnx: bytes, metadata: dict[str, str]) -> bytes:
    """The same graph with its metadata replaced by ``metadata``."""
    import onnx as onnx_package

    return _stamped(onnx_package.load_from_string(onnx), metadata)


def _stamped(model: Any, metadata: dict[str, str]) -> bytes:
    del model.metadata_props[:]
    for key, text in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    out: bytes = model.SerializeToString(deterministic=True)
    return out


class Named(nn.Module):
    """Gives the input its name whatever the module calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, 1, sH, sW)."""
        out: Tensor = self.module(x)
        return out


def _torchscript(module: nn.Module, metadata: dict[str, str]) -> bytes:
    with _quietly(), torch.no_grad():
        traced = torch.jit.trace(module, _example())  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer, _extra_files={k: v.encode() for k, v in metadata.items()})
    return buffer.getvalue()


def _pt2(module: nn.Module, metadata: dict[str, str]) -> bytes:
    free = torch.export.Dim.DYNAMIC
    with _quietly(), torch.no_grad():
        program = torch.export.export(
            Named(module).eval(), (_example(),), dynamic_shapes={"x": {0: free, 2: free, 3: free}}
        )
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files=metadata)
    return buffer.getvalue()


def _example() -> Tensor:
    """Sides that differ from each other, from the batch and from 1, so that none is taken for a constant."""
    return torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporters report on stdout and by warnings, which would spoil ``--json``."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
