"""The compute form: a thread per low-resolution pixel computes all channels, or all sub-pixels, of it.

Each value around a pixel is read once for all of them, and a one-layer network is a single pass that computes every
sub-pixel once. Needs a GPU and a player with compute shaders (Vulkan, OpenGL 4.3, Direct3D 11).
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.export.glsl.convolution import Target, over_luma, over_planes, over_vectors, started
from workers.export.glsl.heads import last_pass, phases
from workers.export.glsl.passes import Pass
from workers.export.glsl.plan import Layer, Plan
from workers.export.glsl.reading import NEAREST, Stored, luma_taps, plane_function
from workers.export.glsl.words import SWIZZLE, activated, four, grid, groups, slopes_of

START = ("ivec2 size=ivec2(HOOKED_size),p=ivec2(gl_GlobalInvocationID.xy);", "if(any(greaterThanEqual(p,size)))return;")


def compute_passes(plan: Plan) -> list[Pass]:
    """One pass per layer; a 1 x 1 convolution joins the pass before it."""
    out: list[Pass] = []
    before: Stored | None = None
    layers = list(plan.layers[:-1])
    while layers:
        first = layers.pop(0)
        second = layers.pop(0) if layers and layers[0].kernel == 1 else None
        name = f"EDGE{len(out)}"
        planes = len(groups((second or first).outputs))
        size = grid(2 * planes if plan.fine else planes)
        after = Stored(name, planes, size[0], plan.fine)
        out.append(
            Pass(_function(_hidden(first, second, before, after), before), _reads(before), name, size, compute=True)
        )
        before = after
    return [*out, _last(plan, before)]


def _targets(layer: Layer, prefix: str) -> list[Target]:
    return [
        Target(f"{prefix}{i}", layer.weight[part], layer.bias[part]) for i, part in enumerate(groups(layer.outputs))
    ]


def _applied(layer: Layer, targets: Sequence[Target]) -> list[str]:
    parts = groups(layer.outputs)
    return [
        f"{target.name}={activated(target.name, layer.activation, slopes_of(layer.activation, part))};"
        for target, part in zip(targets, parts, strict=True)
        if layer.activation.name
    ]


def _hidden(first: Layer, second: Layer | None, before: Stored | None, after: Stored) -> list[str]:
    targets = _targets(first, "a")
    if before is None:
        lines = luma_taps(first.kernel)
        sums = over_luma(targets)
    else:
        lines = ["vec4 v;"]
        sums = over_planes(targets)
    lines += sums + _applied(first, targets)
    if second is not None:
        inner, targets = targets, _targets(second, "b")
        lines += started(targets) + over_vectors(targets, [target.name for target in inner])
        lines += _applied(second, targets)
    for i, target in enumerate(targets):
        value = four(target.name, target.size)
        lines.append(_store(i, after, f"nearest({value})"))
        if after.fine:
            lines.append(_store(i + after.planes, after, f"{value}-nearest({value})"))
    return lines


def _store(number: int, after: Stored, value: str) -> str:
    column, row = number % after.columns, number // after.columns
    return f"imageStore(out_image,{f'p+ivec2({column},{row})*size' if number else 'p'},{value});"


def _last(plan: Plan, before: Stored | None) -> Pass:
    parts = phases(plan)
    lines = last_pass(plan, before, range(len(parts)))
    for i, part in enumerate(parts):
        for place in range(part.start, part.stop):
            row, column = divmod(place, plan.scale)
            value = f"r{i}" if part.stop - part.start == 1 else f"r{i}.{SWIZZLE[place - part.start]}"
            lines.append(
                f"imageStore(out_image,p*{plan.scale}+ivec2({column},{row}),nearest(vec4({value},0.0,0.0,1.0)));"
            )
    return Pass(_function(lines, before), _reads(before), None, (plan.scale, plan.scale), compute=True)


def _reads(before: Stored | None) -> tuple[str, ...]:
    return () if before is None else (before.texture,)


def _function(lines: Sequence[str], before: Stored | None) -> tuple[str, ...]:
    helper = plane_function(before) if before is not None else []
    return (*NEAREST, *helper, "void hook(){", *START, *lines, "}")
