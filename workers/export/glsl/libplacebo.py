"""User shaders run by libplacebo, through FFmpeg's filter of that name, on whatever Vulkan device there is.

It needs no display. On a machine without a GPU Mesa's software Vulkan (``apt-get install ffmpeg mesa-vulkan-drivers``)
answers, and is named as what it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_space.errors import BadData, MissingExtra

SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader")
NEEDS = "running shaders needs FFmpeg with libplacebo and a Vulkan device: apt-get install ffmpeg mesa-vulkan-drivers"
SECONDS = 600


@cache
def device() -> str | None:
    """The Vulkan device that FFmpeg takes, by its driver's name for it; None where there is none."""
    if shutil.which("ffmpeg") is None:
        return None
    command = ["ffmpeg", "-hide_banner", "-v", "verbose", "-init_hw_device", "vulkan=vk", "-filters"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    found = re.search(r"Device \d+ selected: (.+?) \((?:integrated|discrete|virtual|software|unknown)", done.stderr)
    return found[1] if found and " libplacebo " in done.stdout else None


def is_software(name: str) -> bool:
    """Whether a Vulkan device is a processor pretending to be a GPU."""
    return any(word in name.lower() for word in SOFTWARE)


def require() -> str:
    """The device, or MissingExtra with what to install."""
    found = device()
    if found is None:
        raise MissingExtra(NEEDS)
    return found


def white(bits: int, *, full: bool) -> float:
    """The code that a shader sees as 1. libplacebo keeps limited range of more than 8 bits as a fraction of 16 bits.

    >>> white(8, full=False), white(10, full=True), white(10, full=False)
    (255.0, 1023.0, 1023.984375)
    """
    return float((1 << bits) - 1) if full or bits == 8 else 65535 / (1 << (16 - bits))


def run(
    shaders: Sequence[tuple[str, int]], codes: NDArray[np.integer], *, bits: int = 8, full: bool = False
) -> list[NDArray[np.float64]]:
    """What each shader (its text, its scale) makes of a luma plane.

    ``codes`` (H, W) are the plane's values of ``bits`` bits, 8 or 10, in limited or ``full`` range; results (sH, sW)
    are in the same unit, with fractions: taken at 16 bits, without dithering. All shaders run in one process. Raises
    MissingExtra without a device, BadData when a player would refuse a shader.
    """
    require()
    height, width = codes.shape
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        form = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
        grey = np.full((2, height, width), 1 << (bits - 1))
        planes = np.concatenate([codes[None].astype(np.int64), grey]).astype("<u1" if bits == 8 else "<u2")
        (here / "in.yuv").write_bytes(planes.tobytes())
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-init_hw_device", "vulkan=vk", "-f", "rawvideo"]
        command += ["-pix_fmt", form, "-s", f"{width}x{height}", "-i", "in.yuv"]
        command += ["-filter_complex", graph([scale for _, scale in shaders], (width, height), form, full=full)]
        for i, (text, _) in enumerate(shaders):
            (here / f"{i}.glsl").write_text(text)
            command += ["-map", f"[o{i}]", "-frames:v", "1", "-f", "rawvideo", f"{i}.out"]
        try:
            done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise BadData(f"libplacebo took over {SECONDS} s for {len(shaders)} shaders") from None
        # It goes on without a shader that it cannot run, and says so.
        if done.returncode or "disabling" in done.stderr:
            raise BadData(f"libplacebo refuses a shader: {reason(done.stderr)}")
        # Limited range at 16 bits is the code times a power of two, full range spreads it over all values.
        unit = 65535 / ((1 << bits) - 1) if full else 1 << (16 - bits)
        sizes = [(height * scale, width * scale) for _, scale in shaders]
        return [
            np.frombuffer((here / f"{i}.out").read_bytes(), "<u2").reshape(size) / unit for i, size in enumerate(sizes)
        ]


def reason(log: str) -> str:
    """The most telling line of FFmpeg's messages."""
    lines = [re.sub(r"^\[[^]]*\]\s*", "", line) for line in log.splitlines()]
    telling = [line for line in lines if re.search(r"error|unknown|fail|invalid", line, re.IGNORECASE)]
    return (telling or lines or ["it does not say why"])[0][:300]


def graph(scales: Sequence[int], size: tuple[int, int], form: str, *, full: bool) -> str:
    """FFmpeg's filter graph: one input plane, one 16-bit output for each shader ``N.glsl``."""
    kind = f"range={'full' if full else 'limited'}:colorspace=bt709"
    parts = [f"[0:v]format={form},setparams={kind},hwupload,split={len(scales)}" + _labels("i", len(scales))]
    for i, scale in enumerate(scales):
        shape = f"w={size[0] * scale}:h={size[1] * scale}"
        parts.append(
            f"[i{i}]libplacebo={shape}:{kind}:dithering=-1:custom_shader_path={i}.glsl:format=gray16le,"
            f"hwdownload,format=gray16le[o{i}]"
        )
    return ";".join(parts)


def _labels(prefix: str, count: int) -> str:
    return "".join(f"[{prefix}{i}]" for i in range(count))
