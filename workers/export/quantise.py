"""Int8: weights and inputs of convolutions on 8 bits, ranges taken from real images (docs/decisions/087)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadWeights, MissingExtra
from workers.export.rounding import Matrix, channel_steps, rounded

Luma = NDArray[np.float32]
"""(1, 1, H, W) in [0, 1]."""
LEAST_SNR = 25.0
"""dB: a convolution whose output suffers more from 8 bits at its input keeps a floating-point input. Measured on
released weights: one layer of FSRCNN_s4_D6_S1_M4 is at 16 (and cost 2.6 dB of PSNR), four others' at 30 to 45."""
PATCHES = 1000
"""Patches per image that errors are judged by; a calibration set of ten images then has more of them than any filter
has weights."""


@dataclass(frozen=True)
class InputStatistics:
    """The inputs of one convolution on the calibration images."""

    low: float
    step: float
    """Of its input on 8 bits, from ``low`` upwards."""
    second: Matrix
    """Second moment of its input patches, (in*k*k, in*k*k)."""
    wide: bool = False
    """Whether 8 bits are too few for its input."""


def to_int8(onnx: bytes, calibration: Sequence[Luma]) -> bytes:
    """The graph with quantise and dequantise nodes before every convolution; metadata is kept.

    An input that 8 bits would damage (``LEAST_SNR``) stays in floating point. A convolution's output always does: one
    8-bit range for values and keys together destroys a trained head. Raises BadWeights when the network gives no
    finite values, MissingExtra without onnx.
    """
    for name in ("onnx", "onnxruntime"):
        if find_spec(name) is None:
            raise MissingExtra(f"int8 needs {name}: pip install 'edge-sweep[onnx]'")
    import onnx as onnx_package
    from onnx import numpy_helper

    model = onnx_package.load_from_string(onnx)
    graph = model.graph
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    convs = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in weights]
    taps = _Taps(onnx, [node.input[0] for node in convs])
    nodes: list[Any] = []
    for node in graph.node:
        if any(node is conv for conv in convs):
            weight = weights[node.input[1]]
            seen = _statistics(node, weight, taps.values(node.input[0], calibration))
            nodes += _quantised(node, weight, seen, graph)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(one)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Taps:
    """The graph with its inner values readable."""

    def __init__(self, onnx: bytes, names: Sequence[str]) -> None:
        import onnx as onnx_package
        import onnxruntime

        model = onnx_package.load_from_string(onnx)
        there = {one.name for one in (*model.graph.input, *model.graph.output)}
        for name in dict.fromkeys(names):
            if name not in there:
                model.graph.output.add().name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        data = model.SerializeToString()
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def values(self, name: str, images: Sequence[Luma]) -> Iterator[NDArray[np.float32]]:
        """One value (1, C, H, W) for each image."""
        for image in images:
            yield image if name == "x" else self.session.run([name], {"x": image})[0]


def _statistics(node: Any, weight: NDArray[np.float32], values: Iterator[NDArray[np.float32]]) -> InputStatistics:
    settings = {one.name: list(one.ints) or one.i for one in node.attribute}
    if not np.isfinite(weight).all():
        raise BadWeights("the network has weights that are not finite: they have no 8-bit form")
    plain = settings.get("group", 1) == 1 and all(
        set(settings.get(name) or [1]) == {1} for name in ("strides", "dilations")
    )
    low, high, patches = 0.0, 0.0, list[NDArray[np.float32]]()
    for value in values:
        if not np.isfinite(value).all():
            raise BadWeights("the network gives values that are not finite: there is no range for int8")
        low, high = min(low, float(value.min())), max(high, float(value.max()))
        if plain:
            patches.append(_patches(value[0], weight.shape[2:], settings.get("pads") or [0, 0, 0, 0]))
    if node.input[0] == "x":
        # Images come in steps of 1/255: on that grid, quantising the input loses nothing.
        low, high = 0.0, 1.0
    step = max(high - low, 1e-12) / 255
    if not patches:
        return InputStatistics(low, step, np.eye(int(np.prod(weight.shape[1:]))))
    every = np.concatenate(patches, axis=1).astype(np.float64)
    return InputStatistics(low, step, every @ every.T, signal_to_noise(weight, every, step) < LEAST_SNR)


def signal_to_noise(weight: NDArray[np.float32], patches: Matrix, step: float) -> float:
    """dB of a convolution's output over what rounding its input to multiples of ``step`` does to it."""
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    noise, signal = flat @ (np.rint(patches / step) * step - patches), flat @ patches
    signal -= signal.mean(axis=1, keepdims=True)
    return float(10 * np.log10(max(signal.var(), 1e-30) / max(noise.var(), 1e-30)))


def _patches(value: NDArray[np.float32], kernel: tuple[int, ...], pads: Sequence[int]) -> NDArray[np.float32]:
    """(C*k*k, up to PATCHES) of what a filter sees of (C, H, W), at places drawn alike every time."""
    top, left, bottom, right = pads
    padded = np.pad(value, ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
    rows, columns = windows.shape[1:3]
    places = np.random.default_rng(0).permutation(rows * columns)[:PATCHES]
    taken = windows[:, places // columns, places % columns]
    out: NDArray[np.float32] = taken.transpose(0, 2, 3, 1).reshape(-1, len(places))
    return out


def _quantised(node: Any, weight: NDArray[np.float32], seen: InputStatistics, graph: Any) -> list[Any]:
    """The convolution behind nodes that put its input and its weights on 8 bits."""
    from onnx import helper, numpy_helper

    prefix = f"{node.output[0]}_int8"

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, f"{prefix}_{name}"))
        return f"{prefix}_{name}"

    steps = channel_steps(weight)
    of_weight = [
        constant("weight", rounded(weight, steps, seen.second)),
        constant("weight_steps", steps),
        constant("weight_zeros", np.zeros(len(steps), dtype=np.int8)),
    ]
    before = [helper.make_node("DequantizeLinear", of_weight, [f"{prefix}_w"], axis=0)]
    if not seen.wide:
        zero = np.uint8(np.clip(round(-seen.low / seen.step), 0, 255))
        of_input = [constant("step", np.array(seen.step, dtype=np.float32)), constant("zero", np.array(zero))]
        before += [
            helper.make_node("QuantizeLinear", [node.input[0], *of_input], [f"{prefix}_q"]),
            helper.make_node("DequantizeLinear", [f"{prefix}_q", *of_input], [f"{prefix}_x"]),
        ]
        node.input[0] = f"{prefix}_x"
    node.input[1] = f"{prefix}_w"
    return [*before, node]
