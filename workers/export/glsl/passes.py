"""A pass of a user shader, and the directives that mpv and libplacebo read."""

from __future__ import annotations

from dataclasses import dataclass

THREADS = 16
"""A side of the square of low-resolution pixels that one work group of a compute pass takes."""


@dataclass(frozen=True)
class Pass:
    """One run over the image."""

    body: tuple[str, ...]
    """GLSL, with the function ``hook``."""
    reads: tuple[str, ...] = ()
    """Textures that earlier passes saved; the luma plane (``HOOKED``) is always there."""
    saves: str | None = None
    """The texture that it fills; None for the pass that makes the enlarged plane."""
    size: tuple[int, int] = (1, 1)
    """Of its output, in sizes of the low-resolution plane."""
    compute: bool = False


def written(passes: list[Pass], title: str, scale: int) -> str:
    """The passes as a user shader. It runs where the picture is shown at least sqrt(scale) times as large."""
    least = f"{scale**0.5:.2f}"
    lines = []
    for number, one in enumerate(passes, 1):
        lines += [f"//!DESC {title} ({number}/{len(passes)})", "//!HOOK LUMA", "//!BIND HOOKED"]
        lines += [f"//!BIND {name}" for name in one.reads]
        if one.saves is not None:
            lines += [f"//!SAVE {one.saves}", "//!COMPONENTS 4"]
        lines += [f"//!WIDTH HOOKED.w {one.size[0]} *", f"//!HEIGHT HOOKED.h {one.size[1]} *"]
        lines.append(f"//!WHEN OUTPUT.w HOOKED.w / {least} < ! OUTPUT.h HOOKED.h / {least} < ! *")
        if one.compute:
            block = f"{THREADS * one.size[0]} {THREADS * one.size[1]}"
            lines.append(f"//!COMPUTE {block} {THREADS} {THREADS}")
        lines += [*one.body, ""]
    return "\n".join(lines)
