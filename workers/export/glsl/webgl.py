"""The form for WebGL 2: the report runs a network on the page. Loops over weights that lie in a texture.

Written out, the weights of a deep network are a program of a megabyte that browsers compile for minutes
(docs/decisions/120); here a pass is a dozen lines whatever its size. Textures are float32, so nothing is rounded
between passes. The description beside each pass is enough to compute the same without a GPU, in the same order.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass

import numpy as np
from torch import nn

from workers.export.deployed_form import deployed
from workers.export.glsl.heads import combined, phases
from workers.export.glsl.plan import Activation, Array, Layer, Plan, plan_of
from workers.export.glsl.reading import Stored, plane_function
from workers.export.glsl.words import activated, grid, groups

PRELUDE = """#version 300 es
precision highp float;precision highp int;precision highp sampler2D;
uniform sampler2D PICTURE,WEIGHTS,BEFORE_raw;
uniform ivec2 picture;
out vec4 result;
#define HOOKED_size vec2(picture)
vec4 w(int i){return texelFetch(WEIGHTS,ivec2(i&255,i>>8),0);}
float luma(ivec2 q){return q==clamp(q,ivec2(0),picture-1)?texelFetch(PICTURE,q,0).x:0.0;}
"""
"""What all passes begin with: ``PICTURE`` is the luma plane, ``WEIGHTS`` has 256 vectors in a row."""
LOW = "vec4(-1e30)"


@dataclass(frozen=True)
class WebPass:
    """One pass: its shader, and what it computes. Vectors have four channels, filled up with zeros."""

    text: str
    """GLSL after ``PRELUDE``."""
    start: int
    """Where its weights begin, in vectors; those of each output vector follow one another."""
    stride: int
    """Vectors of weights for each output vector."""
    kernel: int
    inputs: int
    """Vectors read from the pass before; 0 reads luma."""
    planes: int
    """Vectors made."""
    columns: int
    """Images in a row of the texture that it fills."""
    rows: int
    activation: str
    kind: str = ""
    """Of the head, in the last pass; ``activation`` is then what follows the head."""
    maps: int = 1
    templates: int = 1
    beside: int = 0
    """Side of filters of the luma that are added to the head's result; 0 for none."""


@dataclass(frozen=True)
class WebNetwork:
    """A network as the page runs it."""

    scale: int
    wide: int
    """Sub-pixels in each vector of the last pass."""
    reach: int
    """Pixels of the small picture that an output pixel depends on, to each side."""
    passes: tuple[WebPass, ...]
    weights: str
    """Base64 of float32, four to a vector, in the order in which the passes read them."""


def web_network(module: nn.Module, scale: int) -> dict[str, object]:
    """A trained network as the report's page takes it, JSON-ready. Raises BadData for one without a shader form."""
    plan = plan_of(deployed(module), scale)
    passes: list[WebPass] = []
    vectors: list[Array] = []
    before: Stored | None = None
    for layer in plan.layers[:-1]:
        first = before is None
        blocks = [_hidden_weights(layer, part, luma=first) for part in groups(layer.outputs)]
        made = _pass(_hidden(layer, luma=first), layer, before, blocks, sum(map(len, vectors)), layer.activation)
        passes.append(made)
        vectors += blocks
        before = Stored("BEFORE", made.planes, made.columns)
    blocks = [_head_weights(plan, part) for part in phases(plan)]
    passes.append(_last(plan, before, blocks, sum(map(len, vectors))))
    packed = np.concatenate([*vectors, *blocks]).astype("<f4")
    network = WebNetwork(
        scale=scale,
        wide=phases(plan)[0].stop,
        reach=max(sum(layer.kernel // 2 for layer in plan.layers), _beside_side(plan) // 2),
        passes=tuple(passes),
        weights=base64.b64encode(packed.tobytes()).decode(),
    )
    return asdict(network)


def _pass(
    body: list[str],
    layer: Layer,
    before: Stored | None,
    blocks: list[Array],
    start: int,
    activation: Activation,
) -> WebPass:
    columns, rows = grid(len(blocks))
    stride = len(blocks[0])
    lines = [
        *([] if before is None else plane_function(before)),
        "void main(){",
        "ivec2 at=ivec2(gl_FragCoord.xy),p=at%picture;",
        f"int n=at.x/picture.x+{columns}*(at.y/picture.y),i={start}+n*{stride};",
        f"if(n>={len(blocks)}){{result=vec4(0.0);return;}}",
        *body,
        "}",
    ]
    inputs = 0 if before is None else before.planes
    return WebPass(
        "\n".join(lines), start, stride, layer.kernel, inputs, len(blocks), columns, rows, activation.name
    )  # fmt: skip


def _last(plan: Plan, before: Stored | None, blocks: list[Array], start: int) -> WebPass:
    head, layer = plan.head, plan.layers[-1]
    made = _pass(_head(plan), layer, before, blocks, start, head.after)
    of_head = {"kind": head.kind, "maps": head.maps, "templates": head.templates, "beside": _beside_side(plan)}
    return WebPass(**{**asdict(made), **of_head})


def _beside_side(plan: Plan) -> int:
    return 0 if plan.head.beside is None else int(plan.head.beside.shape[-1])


def _hidden(layer: Layer, *, luma: bool) -> list[str]:
    return [
        "vec4 a=w(i++);",
        *_slope(layer.activation),
        *_convolved(["a"], layer, luma=luma),
        f"result={activated('a', layer.activation, 'slope')};",
    ]


def _slope(activation: Activation) -> list[str]:
    return ["vec4 slope=w(i++);"] if activation.slopes else []


def _convolved(names: list[str], layer: Layer, *, luma: bool) -> list[str]:
    """Adds to vectors what the convolution gives them; weights are read in the order of the loops."""
    if luma:
        inside = ["float v=luma(q);", *(f"{name}+=v*w(i++);" for name in names)]
        return [*_taps(layer.kernel), *inside, "}"]
    inside = [f"{name}+=mat4(w(i),w(i+1),w(i+2),w(i+3))*v;i+=4;" for name in names]
    vectors = len(groups(layer.inputs))
    return [*_taps(layer.kernel), f"for(int g=0;g<{vectors};g++){{", "vec4 v=plane(q,g);", *inside, "}", "}"]


def _taps(side: int) -> list[str]:
    reach = side // 2
    loops = f"for(int y=-{reach};y<={reach};y++)for(int x=-{reach};x<={reach};x++){{"
    return [loops, "ivec2 q=p+ivec2(x,y);"]


def _head(plan: Plan) -> list[str]:
    head, layer = plan.head, plan.layers[-1]
    names = [f"m{m}" for m in range(head.maps)]
    template = [f"vec4 {name}=w(i++);" for name in names] + _convolved(names, layer, luma=plan.one_layer)
    if head.kind == "first":
        lines = [*template, "vec4 r=m0;"]
    elif head.templates == 1:
        lines = [*template, *combined(head.kind, names, "vec4", first=True), "vec4 r=top;"]
    else:
        lines = [f"vec4 top={LOW if head.kind == 'max' else 'vec4(0.0)'},most={LOW},total=vec4(0.0),next,peak,gain;"]
        lines += [f"for(int c=0;c<{head.templates};c++){{", *template]
        lines += [*combined(head.kind, names, "vec4", first=False), "}"]
        lines.append(f"vec4 r={'top' if head.kind == 'max' else 'top/total'};")
    if head.beside is not None:
        lines += [*_taps(_beside_side(plan)), "r+=luma(q)*w(i++);", "}"]
    return [*lines, *_slope(head.after), f"result={activated('r', head.after, 'slope')};"]


def _hidden_weights(layer: Layer, part: slice, *, luma: bool) -> Array:
    """(vectors, 4) of one output vector, in the order in which ``_hidden`` reads them."""
    rows = [_vectors(layer.bias[None, part])]
    if layer.activation.slopes:
        rows.append(_vectors(np.array([layer.activation.slopes[part]])))
    return np.concatenate([*rows, _taps_weights([layer.weight[part]], luma=luma)])


def _head_weights(plan: Plan, part: slice) -> Array:
    """(vectors, 4) of one vector of sub-pixels, in the order in which ``_head`` reads them."""
    head, layer, square = plan.head, plan.layers[-1], plan.scale**2
    weight = layer.weight.reshape(head.maps, head.templates, square, *layer.weight.shape[1:])[:, :, part]
    bias = layer.bias.reshape(head.maps, head.templates, square)[:, :, part]
    rows: list[Array] = []
    for template in range(head.templates):
        rows += [_vectors(bias[:, template]), _taps_weights(list(weight[:, template]), luma=plan.one_layer)]
    if head.beside is not None:
        rows.append(_vectors(head.beside[part, 0].reshape(part.stop - part.start, -1).T))
    if head.after.slopes:
        rows.append(np.full((1, 4), head.after.slopes[0], dtype=np.float32))
    return np.concatenate(rows)


def _taps_weights(targets: list[Array], *, luma: bool) -> Array:
    """(vectors, 4) of filters (up to 4, in, k, k): by tap, then by input vector, then by target, then by channel."""
    inputs, side = targets[0].shape[1:3]
    parts = groups(inputs)
    out = []
    for tap in range(side * side):
        y, x = divmod(tap, side)
        for part in parts:
            for target in targets:
                columns = _vectors(target[:, part, y, x].T)
                short = 0 if luma else 4 - len(columns)
                out.append(np.pad(columns, ((0, short), (0, 0))))
    return np.concatenate(out)


def _vectors(values: Array) -> Array:
    """Rows of up to four numbers, filled up with zeros."""
    return np.pad(np.asarray(values, dtype=np.float32), ((0, 0), (0, 4 - values.shape[-1])))
