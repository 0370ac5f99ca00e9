"""How a pass reads its input, with the zeros outside the image that the networks were trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """What an earlier pass saved: vectors of four channels, as images side by side in one texture."""

    texture: str
    planes: int
    """Vectors."""
    columns: int
    """Images in a row of the texture."""
    fine: bool = False
    """Whether as many images again follow, with what is left of each value after rounding it to half precision."""


def luma_taps(side: int) -> list[str]:
    """Fills ``x`` with the ``side * side`` luma values around ``p`` of a plane of ``size`` pixels."""
    reach, last = side // 2, side * side - 1
    if side == 1:
        return ["float x[1];", "x[0]=HOOKED_mul*texelFetch(HOOKED_raw,p,0).x;"]
    at = f"p+ivec2(t%{side}-{reach},t/{side}-{reach})"
    direct = [
        f"x[{t}]=HOOKED_mul*texelFetch(HOOKED_raw,p+ivec2({t % side - reach},{t // side - reach}),0).x;"
        for t in range(side * side)
    ]
    inside = f"all(greaterThanEqual(p,ivec2({reach})))&&all(lessThan(p+{reach},size))"
    return [
        f"float x[{side * side}];",
        f"if({inside}){{",
        *direct,
        f"}}else for(int t=0;t<={last};t++){{",
        f"ivec2 q={at};",
        "x[t]=q==clamp(q,ivec2(0),size-1)?HOOKED_mul*texelFetch(HOOKED_raw,q,0).x:0.0;",
        "}",
    ]


NEAREST = (
    "vec4 nearest(vec4 v){",
    "uvec4 b=floatBitsToUint(v);",
    "return uintBitsToFloat((b+0xFFFu+((b>>13)&1u))&0xFFFFE000u);",
    "}",
)
"""The nearest half-precision number: most players store values between passes in it, and some GPUs cut off instead of
rounding, which adds up from layer to layer. So a shader gives the same everywhere, with float32 textures too."""


def plane_function(stored: Stored) -> list[str]:
    """``plane(pixel, number)``: one image of a texture that holds several side by side."""
    lines = [
        "vec4 plane(ivec2 q,int n){",
        "ivec2 size=ivec2(HOOKED_size);",
        "if(q!=clamp(q,ivec2(0),size-1))return vec4(0.0);",
    ]
    value = f"texelFetch({stored.texture}_raw,q+{shift('n', stored.columns)},0)"
    if stored.fine:
        value += f"+texelFetch({stored.texture}_raw,q+{shift(f'(n+{stored.planes})', stored.columns)},0)"
    return [*lines, f"return {value};", "}"]


def shift(number: str, columns: int) -> str:
    """Where an image begins in such a texture."""
    return f"ivec2({number}%{columns},{number}/{columns})*size" if columns > 1 else "ivec2(0)"
