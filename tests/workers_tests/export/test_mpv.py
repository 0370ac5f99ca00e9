"""An exported shader in mpv itself: what is on the screen is what torch gives."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.workers_tests.export.test_glsl import network, plane, text_of, wanted

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("mpv", "xvfb-run", "xauth")),
    reason="no mpv or no X server without a screen here (apt-get install mpv xvfb xauth)",
)
SIDES = (66, 90)
LUMA = 255 / 219
"""Levels of the screen for one level of luma in limited range."""
SCRIPT = """
mp.register_event("playback-restart", function()
  mp.add_timeout(0.3, function()
    mp.commandv("screenshot-to-file", "shown.png", "window")
    mp.commandv("quit")
  end)
end)
"""
# X servers without a screen present no Vulkan pictures of a software device, so gpu-next draws by OpenGL.
OPTIONS = (
    "--no-config", "--vo=gpu-next", "--gpu-api=opengl", "--gpu-sw=yes", "--ao=null", "--dither=no", "--no-osc",
    "--no-border", "--pause", "--keep-open=yes", "--script=shot.lua", "--demuxer=rawvideo",
    "--demuxer-rawvideo-mp-format=yuv444p",
)  # fmt: skip


def screen(folder: Path, codes: NDArray[np.int64], scale: int, shader: str | None) -> NDArray[np.float64]:
    """What mpv shows of a grey frame (H, W) in a window ``scale`` times its size: (sH, sW) in 0..255."""
    height, width = codes.shape
    grey = np.full((2, height, width), 128)
    (folder / "in.yuv").write_bytes(np.concatenate([codes[None], grey]).astype(np.uint8).tobytes())
    (folder / "shot.lua").write_text(SCRIPT)
    command = ["xvfb-run", "-a", "-s", "-screen 0 640x480x24", "mpv", *OPTIONS, f"--demuxer-rawvideo-w={width}"]
    command += [f"--demuxer-rawvideo-h={height}", f"--geometry={width * scale}x{height * scale}", "in.yuv"]
    if shader is not None:
        (folder / "shader.glsl").write_text(shader)
        command.append("--glsl-shaders=shader.glsl")
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (folder / "shown.png").exists(), done.stdout[-2000:] + done.stderr[-2000:]
    shown = np.asarray(Image.open(folder / "shown.png").convert("RGB")).astype(float)
    assert np.ptp(shown, axis=2).max() <= 1
    return shown[..., 1]


@pytest.mark.parametrize("name", ["eSR-TM_s2_K5_C3", "FSRCNN_s3_D6_S3_M1"])
def test_the_screen_shows_what_torch_gives_within_a_level(name: str, tmp_path: Path) -> None:
    codes, scale = plane(8, full=False, size=SIDES), int(name.split("_s")[1][0])
    want = ((wanted(network(name), codes, 255) - 16) * LUMA).clip(0, 255)
    shown = screen(tmp_path, codes, scale, text_of(name))
    assert shown.shape == want.shape
    assert np.abs(shown - want).max() <= LUMA


def test_without_the_shader_it_shows_something_else(tmp_path: Path) -> None:
    codes = plane(8, full=False, size=SIDES)
    want = ((wanted(network("eSR-TM_s2_K5_C3"), codes, 255) - 16) * LUMA).clip(0, 255)
    assert np.abs(screen(tmp_path, codes, 2, None) - want).max() > 10
