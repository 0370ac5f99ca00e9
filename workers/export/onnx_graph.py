"""Making an ONNX graph readable for more runtimes, and fast in them: no sizes computed inside, a softmax over channels
written out, the oldest IR version that it fits."""

from __future__ import annotations

from typing import Any

import numpy as np

IR_VERSION = 8
"""What opset 18 needs (onnx 1.13). The exporter writes a later one, which ONNX Runtime before 1.21 refuses."""
_BATCH, _WIDTH = 0, 3


def without_sizes(model: Any) -> None:
    """Replace, in place, the shape of each reshape that keeps batch and width by a constant.

    Such a reshape moves values between channels and rows only: ``0`` copies batch and width, ``-1`` is what is left for
    the rows. The nodes that computed the sizes go; OpenCV 4 refuses their ``Shape``.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] not in makers:
            continue
        sizes = list(makers[node.input[1]].input)
        if len(sizes) != 4 or sizes[1] not in constants:
            continue
        if _axis(makers.get(sizes[0])) != _BATCH or _axis(makers.get(sizes[3])) != _WIDTH:
            continue
        name = f"{node.output[0]}_shape"
        shape = np.array([0, int(constants[sizes[1]].item()), -1, 0], dtype=np.int64)
        graph.initializer.append(numpy_helper.from_array(shape, name))
        node.input[1] = name
        kept = [one for one in node.attribute if one.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("allowzero", 0)])
    _pruned(graph)


def with_softmax_written_out(model: Any) -> None:
    """Replace, in place, each softmax over another axis than the last by maximum, exponential, sum and quotient.

    The same numbers within rounding. ONNX Runtime transposes for such a softmax and back, and takes 2.6 to 7.7 times as
    long on its CPUs (docs/decisions/142).
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in (*graph.value_info, *graph.output)}
    nodes = []
    for node in graph.node:
        axis = next((one.i for one in node.attribute if one.name == "axis"), -1)
        rank = ranks.get(node.output[0], 0)
        if node.op_type != "Softmax" or rank == 0 or axis % rank == rank - 1:
            nodes.append(node)
            continue
        x, y = node.input[0], node.output[0]
        axes, top, less, grown, total = (f"{y}_{part}" for part in ("axes", "top", "less", "exp", "sum"))
        graph.initializer.append(numpy_helper.from_array(np.array([axis % rank], dtype=np.int64), axes))
        nodes += [
            helper.make_node("ReduceMax", [x, axes], [top], keepdims=1),
            helper.make_node("Sub", [x, top], [less]),
            helper.make_node("Exp", [less], [grown]),
            helper.make_node("ReduceSum", [grown, axes], [total], keepdims=1),
            helper.make_node("Div", [grown, total], [y]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _axis(node: Any) -> int | None:
    """Which side of the input a ``Shape`` node gives; None for any other node."""
    if node is None or node.op_type != "Shape":
        return None
    settings = {one.name: one.i for one in node.attribute}
    start = int(settings.get("start", 0))
    return start if settings.get("end") == start + 1 else None


def _pruned(graph: Any) -> None:
    """Without nodes and constants that nothing uses."""
    used = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            kept.append(node)
            used.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for one in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(one)
