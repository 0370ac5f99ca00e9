"""The heads: from the last convolution's channels to the sub-pixels of a pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workers.export.glsl.convolution import Target, over_luma, over_planes
from workers.export.glsl.plan import Array, Plan
from workers.export.glsl.reading import Stored, luma_taps
from workers.export.glsl.words import TYPES, activated, groups, slopes_of, vector

Convolve = Callable[[Sequence[Target]], list[str]]


def phases(plan: Plan) -> list[slice]:
    """The sub-pixels in vectors: sub-pixel ``row * scale + column`` of each low-resolution pixel."""
    return groups(plan.scale**2)


def last_pass(plan: Plan, before: Stored | None, numbers: Sequence[int]) -> list[str]:
    """``sub_pixels`` of those phases with what they read: luma where the head sees it, and a value of a plane."""
    lines: list[str] = []
    if plan.one_layer:
        lines += luma_taps(plan.layers[0].kernel)
    elif plan.head.beside is not None:
        lines += luma_taps(plan.head.beside.shape[-1])
    if before is not None:
        lines.append("vec4 v;")
    return [*lines, *sub_pixels(plan, numbers)]


def sub_pixels(plan: Plan, chosen: Sequence[int]) -> list[str]:
    """Code that fills the vectors ``r0``, ``r1``, ... named in ``chosen`` with sub-pixels of pixel ``p``."""
    convolve = over_luma if plan.one_layer else over_planes
    parts = phases(plan)
    sizes = {i: parts[i].stop - parts[i].start for i in chosen}
    lines = [f"{TYPES[sizes[i]]} r{i};" for i in chosen]
    if plan.head.kind == "first":
        targets = [_target(plan, f"a{i}", parts[i], 0, 0) for i in chosen]
        lines += convolve(targets)
        lines += [f"r{i}=a{i};" for i in chosen]
    else:
        for i in chosen:
            # A group of sub-pixels at a time: all templates of all sub-pixels would not fit a GPU's registers.
            lines += ["{", *_templates(plan, parts[i], convolve, f"r{i}"), "}"]
    if plan.head.beside is not None:
        lines += [line for i in chosen for line in _beside(plan.head.beside, parts[i], f"r{i}")]
    if plan.head.after.name:
        lines += [
            f"r{i}={activated(f'r{i}', plan.head.after, slopes_of(plan.head.after, slice(0, 1)))};" for i in chosen
        ]
    return lines


def _target(plan: Plan, name: str, part: slice, map_: int, template: int) -> Target:
    layer = plan.layers[-1]
    first = (map_ * plan.head.templates + template) * plan.scale**2
    rows = slice(first + part.start, first + part.stop)
    return Target(name, layer.weight[rows], layer.bias[rows])


def _beside(filters: Array, part: slice, name: str) -> list[str]:
    flat = filters[part].reshape(part.stop - part.start, -1)
    return [f"{name}+=x[{t}]*{vector(flat[:, t])};" for t in range(flat.shape[1]) if flat[:, t].any()]


def _templates(plan: Plan, part: slice, convolve: Convolve, out: str) -> list[str]:
    """One group of sub-pixels through an edge-SR head."""
    head, word = plan.head, TYPES[part.stop - part.start]
    names = [[f"m{m}_{c}" for m in range(head.maps)] for c in range(head.templates)]
    targets = [[_target(plan, name, part, m, c) for m, name in enumerate(row)] for c, row in enumerate(names)]
    lines: list[str] = []
    if not plan.one_layer:
        # Planes are read once for all templates.
        lines += convolve([target for row in targets for target in row])
    for c, row in enumerate(names):
        if plan.one_layer:
            lines += convolve(targets[c])
        lines += combined(head.kind, row, word, first=c == 0)
    return [*lines, f"{out}={'top' if head.kind in ('max', 'sigmoid') else 'top/total'};"]


def combined(kind: str, row: Sequence[str], word: str, *, first: bool) -> list[str]:
    """The running result after one more template, in ``top`` (over ``total``); the ``first`` declares them."""
    if kind == "max":
        return [f"{word} top={row[0]};"] if first else [f"top=max(top,{row[0]});"]
    if kind == "sigmoid":
        base, step, key = row
        return [f"{word} top={base}+{step}/(1.0+exp(-{key}));"]
    value = row[0]
    logit = {"tm": lambda: row[1], "tr": lambda: f"{row[1]}*{row[2]}", "cnn": lambda: f"{row[1]}*{row[1]}"}[kind]()
    if first:
        return [f"{word} most={logit},top={value},total={word}(1.0),next,peak,gain;"]
    # The largest logit so far is taken off, as exponentials of trained keys can overflow.
    return [
        f"next={logit};peak=max(most,next);gain=exp(next-peak);most=exp(most-peak);",
        f"top=top*most+{value}*gain;total=total*most+gain;most=peak;",
    ]
