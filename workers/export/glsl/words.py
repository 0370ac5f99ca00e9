"""Numbers, vectors and sums as GLSL spells them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from workers.export.glsl.plan import Activation

TYPES = {1: "float", 2: "vec2", 3: "vec3", 4: "vec4"}
SWIZZLE = "xyzw"


def number(value: float) -> str:
    """The shortest spelling that is the same float32 again.

    >>> number(0.1), number(1), number(-2.5e-9)
    ('0.1', '1.0', '-2.5e-09')
    """
    return str(np.float32(value))


def vector(values: Iterable[float]) -> str:
    """One to four numbers.

    >>> vector([1, 0.5]), vector([0.25]), vector([2, 2, 2])
    ('vec2(1.0,0.5)', '0.25', 'vec3(2.0)')
    """
    words = [number(value) for value in values]
    if len(words) == 1:
        return words[0]
    inside = words[0] if len(set(words)) == 1 else ",".join(words)
    return f"{TYPES[len(words)]}({inside})"


def groups(count: int) -> list[slice]:
    """Channels in vectors of equal size, four at most, as few as there can be; the last may be smaller.

    >>> [one.stop - one.start for one in groups(9)], [one.stop - one.start for one in groups(10)]
    ([3, 3, 3], [4, 4, 2])
    """
    vectors = -(-count // 4)
    size = count // vectors if count % vectors == 0 else 4
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def grid(planes: int) -> tuple[int, int]:
    """Columns and rows of images side by side in one texture, nearly square: textures have a largest side.

    >>> grid(1), grid(3), grid(14)
    ((1, 1), (2, 2), (4, 4))
    """
    columns = 1
    while columns * columns < planes:
        columns += 1
    return columns, -(-planes // columns)


def activated(name: str, activation: Activation, slopes: str) -> str:
    """The expression for a vector after its activation; ``slopes`` spells those of a PReLU."""
    if activation.name == "tanh":
        # Some drivers compute tanh from exponentials that overflow; past 10 it is 1 in float32.
        return f"tanh(clamp({name},-10.0,10.0))"
    if activation.name == "relu":
        return f"max({name},0.0)"
    if activation.name == "sigmoid":
        return f"1.0/(1.0+exp(-{name}))"
    if activation.name == "prelu":
        return f"max({name},0.0)+{slopes}*min({name},0.0)"
    return name


def slopes_of(activation: Activation, channels: slice) -> str:
    """The slopes of a PReLU for the ``channels`` of a vector, written out; empty for other activations."""
    return vector(activation.slopes[channels]) if activation.slopes else ""


def four(value: str, size: int) -> str:
    """A vector of ``size`` components, filled up with zeros.

    >>> four("a", 4), four("a", 2)
    ('a', 'vec4(a,0.0,0.0)')
    """
    return value if size == 4 else f"vec4({value}{',0.0' * (4 - size)})"
