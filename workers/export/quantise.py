"""Int8: weights and inputs of convolutions on 8 bits, ranges taken from real images (docs/decisions/087)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadWeights, MissingExtra
from workers.export.rounding import Matrix, channel_steps, correction, rounded
from workers.export.widths import Run, noise_limit, wide_inputs

Array = NDArray[np.float32]
Luma = NDArray[np.float32]
"""(1, 1, H, W) in [0, 1]."""
LEAST_SNR = 25.0
"""dB: a convolution whose output suffers more from 8 bits at its input keeps a floating-point input. Measured on
released weights: one layer of FSRCNN_s4_D6_S1_M4 is at 16 (and cost 2.6 dB of PSNR), four others' at 30 to 45."""
PATCHES = 1000
"""Patches an image is judged by; a calibration set of ten has then more of them than any filter has weights."""


@dataclass(frozen=True)
class InputStatistics:
    """What reaches one convolution on the calibration images."""

    low: float
    step: float
    """Of its input on 8 bits, from ``low`` upwards."""
    whole: NDArray[np.int8]
    """Its weights on 8 bits, (out, in, k, k)."""
    steps: NDArray[np.float32]
    """Of its weights, (out)."""
    offset: NDArray[np.float32]
    """What is added to its bias, (out); zeros where it has none."""
    wide: bool = False
    """Whether 8 bits are too few for its input."""


def to_int8(onnx: bytes, calibration: Sequence[Luma], psnr: float | None = None) -> bytes:
    """The graph with quantise and dequantise nodes before every convolution; metadata is kept.

    With ``psnr`` (dB, of the network as it is) the inputs that cost most stay in floating point until the rest loses
    little (``widths``); without, those do that 8 bits would spoil by themselves (``LEAST_SNR``). A convolution's output
    always does: one 8-bit range for values and keys together destroys a trained head. Raises BadWeights when the
    network gives no finite values, MissingExtra without onnx.
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
    seen = _statistics(convs, weights, taps, calibration)
    if psnr is None:
        return _with(onnx, seen)
    names = list(seen)

    def run(wide: frozenset[int]) -> Run:
        return _runner(_with(onnx, {n: replace(one, wide=names.index(n) in wide) for n, one in seen.items()}))

    wide = wide_inputs(len(names), run, _runner(onnx), calibration, noise_limit(psnr))
    return _with(onnx, {name: replace(one, wide=names.index(name) in wide) for name, one in seen.items()})


def _runner(onnx: bytes) -> Run:
    from workers.export.check import onnx_runner

    return onnx_runner(onnx, threads=1)


def _with(onnx: bytes, seen: Mapping[str, InputStatistics]) -> bytes:
    """The graph with the convolutions, by the name of their output, as ``seen`` says."""
    import onnx as onnx_package
    from onnx import numpy_helper

    model = onnx_package.load_from_string(onnx)
    graph = model.graph
    biases = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        known = seen.get(node.output[0])
        nodes += [node] if known is None else _quantised(node, known, graph, biases)
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

    def values(self, names: Sequence[str], image: Luma) -> dict[str, NDArray[np.float32]]:
        """The values (1, C, H, W) of an image by name."""
        asked = [name for name in dict.fromkeys(names) if name != "x"]
        found = self.session.run(asked, {"x": image}) if asked else []
        return {"x": image, **dict(zip(asked, found, strict=True))}


def _statistics(
    convs: Sequence[Any], weights: Mapping[str, Array], taps: _Taps, images: Sequence[Luma]
) -> dict[str, InputStatistics]:
    """What each convolution sees, by the name of its output; an image at a time, as inner values are large."""
    ranges = [(0.0, 0.0)] * len(convs)
    patches: list[list[Array]] = [[] for _ in convs]
    for node in convs:
        if not np.isfinite(weights[node.input[1]]).all():
            raise BadWeights("the network has weights that are not finite: they have no 8-bit form")
    for image in images:
        values = taps.values([node.input[0] for node in convs], image)
        for i, node in enumerate(convs):
            value = values[node.input[0]]
            if not np.isfinite(value).all():
                raise BadWeights("the network gives values that are not finite: there is no range for int8")
            low, high = ranges[i]
            ranges[i] = min(low, float(value.min())), max(high, float(value.max()))
            settings = _settings(node)
            if _is_plain(settings):
                pads = settings.get("pads") or [0, 0, 0, 0]
                patches[i].append(_patches(value[0], weights[node.input[1]].shape[2:], pads))
    return {
        node.output[0]: _judged(node, weights[node.input[1]], ranges[i], patches[i]) for i, node in enumerate(convs)
    }


def _settings(node: Any) -> dict[str, Any]:
    return {one.name: list(one.ints) or one.i for one in node.attribute}


def _is_plain(settings: Mapping[str, Any]) -> bool:
    """Whether its filters see square patches of neighbours."""
    return settings.get("group", 1) == 1 and all(
        set(settings.get(name) or [1]) == {1} for name in ("strides", "dilations")
    )


def _judged(node: Any, weight: Array, span: tuple[float, float], patches: Sequence[Array]) -> InputStatistics:
    # Images come in steps of 1/255: on that grid, quantising the input loses nothing.
    low, high = (0.0, 1.0) if node.input[0] == "x" else span
    step, steps = max(high - low, 1e-12) / 255, channel_steps(weight)
    if not patches:
        whole = rounded(weight, steps, np.eye(int(np.prod(weight.shape[1:]))))
        return InputStatistics(low, step, whole, steps, np.zeros_like(steps))
    every = np.concatenate(patches, axis=1).astype(np.float64)
    whole = rounded(weight, steps, every @ every.T)
    gain, offset = correction(weight, whole, steps, every, has_bias=len(node.input) > 2)
    wide = signal_to_noise(weight, every, step) < LEAST_SNR
    return InputStatistics(low, step, whole, steps * gain, offset, wide)


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


def _quantised(node: Any, seen: InputStatistics, graph: Any, biases: Mapping[str, Array]) -> list[Any]:
    """The convolution behind nodes that put its input and its weights on 8 bits."""
    from onnx import helper, numpy_helper

    prefix = f"{node.output[0]}_int8"

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, f"{prefix}_{name}"))
        return f"{prefix}_{name}"

    of_weight = [
        constant("weight", seen.whole),
        constant("weight_steps", seen.steps),
        constant("weight_zeros", np.zeros(len(seen.steps), dtype=np.int8)),
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
    if len(node.input) > 2:
        node.input[2] = constant("bias", biases[node.input[2]] + seen.offset)
    return [*before, node]
