"""The fragment form, for players and GPUs without compute shaders.

Each layer writes its channels four by four as images side by side in one texture; neighbouring pixels then run the same
code. A last pass puts the sub-pixels in their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.export.glsl.convolution import Target, over_luma, over_planes
from workers.export.glsl.heads import last_pass, phases
from workers.export.glsl.passes import Pass
from workers.export.glsl.plan import Layer, Plan
from workers.export.glsl.reading import NEAREST, Stored, luma_taps, plane_function, shift
from workers.export.glsl.words import activated, four, grid, groups, slopes_of


def fragment_passes(plan: Plan) -> list[Pass]:
    """One pass per layer, and one that interleaves the sub-pixels."""
    out: list[Pass] = []
    before: Stored | None = None
    for layer in plan.layers[:-1]:
        count = len(groups(layer.outputs))
        images = [_hidden(layer, i, before, left=left) for left in (False, True)[: 1 + plan.fine] for i in range(count)]
        name = f"EDGE{len(out)}"
        out.append(_pass(images, before, name))
        before = Stored(name, count, out[-1].size[0], plan.fine)
    name = f"EDGE{len(out)}"
    parts = phases(plan)
    out.append(_pass([_sub_pixels(plan, i, before) for i in range(len(parts))], before, name))
    return [*out, _interleaved(plan, name, out[-1].size[0])]


def _hidden(layer: Layer, number: int, before: Stored | None, *, left: bool) -> list[str]:
    """``left``: what rounding to half precision leaves of the value, instead of the rounded value."""
    part = groups(layer.outputs)[number]
    target = Target("a", layer.weight[part], layer.bias[part])
    lines = over_luma([target]) if before is None else over_planes([target])
    start = luma_taps(layer.kernel) if before is None else ["vec4 v;"]
    lines += [f"vec4 whole={four(activated('a', layer.activation, slopes_of(layer.activation, part)), target.size)};"]
    return [*start, *lines, f"return {'whole-' if left else ''}nearest(whole);"]


def _sub_pixels(plan: Plan, number: int, before: Stored | None) -> list[str]:
    part = phases(plan)[number]
    lines = last_pass(plan, before, [number])
    return [*lines, f"return nearest({four(f'r{number}', part.stop - part.start)});"]


def _pass(images: Sequence[list[str]], before: Stored | None, name: str) -> Pass:
    size = grid(len(images))
    body = [*NEAREST, *(plane_function(before) if before is not None else [])]
    for i, lines in enumerate(images):
        body += [f"vec4 image{i}(ivec2 size,ivec2 p){{", *lines, "}"]
    body += [
        "vec4 hook(){",
        "ivec2 size=ivec2(HOOKED_size);",
        f"ivec2 at=ivec2(HOOKED_pos*vec2(size*ivec2({size[0]},{size[1]})));",
        f"int n=at.x/size.x+{size[0]}*(at.y/size.y);",
        "ivec2 p=at%size;",
    ]
    body += [f"if(n=={i})return image{i}(size,p);" for i in range(len(images) - 1)]
    body += [f"return image{len(images) - 1}(size,p);", "}"]
    return Pass(tuple(body), () if before is None else (before.texture,), name, size)


def _interleaved(plan: Plan, texture: str, columns: int) -> Pass:
    scale, wide = plan.scale, phases(plan)[0].stop
    body = [
        "vec4 hook(){",
        "ivec2 size=ivec2(HOOKED_size);",
        f"ivec2 at=ivec2(HOOKED_pos*vec2(size*{scale}));",
        f"ivec2 p=at/{scale},sub=at%{scale};",
        f"int j=sub.y*{scale}+sub.x,n=j/{wide};",
        f"vec4 v=texelFetch({texture}_raw,p+{shift('n', columns)},0);",
        f"return vec4(v[j%{wide}],0.0,0.0,1.0);",
        "}",
    ]
    return Pass(tuple(body), (texture,), None, (scale, scale))
