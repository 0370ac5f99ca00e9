"""An exported shader in mpv itself, on a display that nobody sees.

python benchmarks/player_picture.py [--quick] [--out FILE.png]

Starts Xvfb and mpv (``--vo=gpu-next``) with a photograph as a clip, once with the shader and once without, takes what
is on the screen with FFmpeg, and compares it with torch. Needs mpv, xvfb, ffmpeg and a Vulkan device
(``apt-get install mpv xvfb ffmpeg mesa-vulkan-drivers``). ``--out`` keeps both pictures side by side.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _bench import shared
from _record import record
from numpy.typing import NDArray
from PIL import Image

from search_space import parse_id
from workers.data.embedded import embedded
from workers.export.deployed_form import deployed
from workers.export.glsl import libplacebo, shader
from workers.export.metadata import Metadata
from workers.quality.protocol import prepare
from workers.training.weights import load

CONFIG = "eSR-TM_s2_K5_C4"
ROWS, COLUMNS = 120, 160
SECONDS = 90
Picture = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    config, folder = parse_id(CONFIG), shared()
    if folder is None:
        raise SystemExit("needs released weights: set EDGE_SWEEP_SHARED")
    module = load(config, folder / f"published/model-files/{CONFIG}.model").eval()
    lr = prepare(embedded("embedded-test"), 2)[1].lr[0, 0, 40 : 40 + ROWS, 40 : 40 + COLUMNS].numpy()
    codes = np.clip(np.rint(lr * 255), 16, 235).astype(np.uint8)
    with torch.inference_mode():
        y = module(torch.from_numpy(codes / np.float32(255))[None, None])[0, 0].numpy()
    want = np.clip((255 * y - 16) * 255 / 219, 0, 255)
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        (here / "m.glsl").write_text(shader(deployed(module), Metadata.of(config)))
        clip(codes, here / "in.mkv")
        plain, shown = (screen(here, more) for more in ([], [f"--glsl-shaders={here / 'm.glsl'}"]))
    off = np.abs(shown.astype(float) - want)
    figures: dict[str, Any] = {
        "config": CONFIG,
        "mpv": subprocess.run(["mpv", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0],
        "device": libplacebo.require(),
        "screen_levels_worst": float(off.max()),
        "screen_levels_mean": round(float(off.mean()), 3),
        "without_shader_mean": round(float(np.abs(plain.astype(float) - want).mean()), 3),
    }
    print(figures)
    if options.out is not None:
        Image.fromarray(np.concatenate([plain, shown], axis=1)).save(options.out, optimize=True)
    if not options.quick:
        print(record("player_picture", figures, ("torch", "numpy")))


def clip(codes: Picture, path: Path) -> None:
    """The luma plane as a grey clip of a minute, lossless."""
    rows, columns = codes.shape
    grey = bytes([128]) * (2 * (rows // 2) * (columns // 2))
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{columns}x{rows}"]
    command += [
        "-r",
        "1",
        "-i",
        "-",
        "-vf",
        "setparams=range=limited:colorspace=bt709:color_trc=bt709:color_primaries=bt709",
    ]
    subprocess.run([*command, "-c:v", "ffv1", path], input=(codes.tobytes() + grey) * SECONDS, check=True)


def screen(folder: Path, more: list[str]) -> Picture:
    """What mpv shows of the clip at twice its size, grey levels (2H, 2W)."""
    display, size = f":{90 + os.getpid() % 900}", (2 * COLUMNS, 2 * ROWS)
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", f"{size[0]}x{size[1]}x24"], stderr=subprocess.DEVNULL)
    environment = {**os.environ, "DISPLAY": display}
    try:
        time.sleep(3)
        command = [
            "mpv",
            "--no-config",
            "--vo=gpu-next",
            "--gpu-api=opengl",
            "--fullscreen",
            "--no-osc",
            "--osd-level=0",
        ]
        command += [
            "--pause",
            "--keep-open=yes",
            "--dither-depth=no",
            "--cursor-autohide=always",
            "--target-trc=bt.1886",
        ]
        command += ["--target-prim=bt.709", "--msg-level=all=warn", *more, str(folder / "in.mkv")]
        player = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            return settled(folder, environment, size)
        finally:
            player.terminate()
            print((player.communicate(timeout=30)[0] or "").strip()[:2000])
    finally:
        server.terminate()
        server.wait(timeout=30)


def settled(folder: Path, environment: dict[str, str], size: tuple[int, int]) -> Picture:
    """The screen once it shows a picture and no longer changes."""
    before, end = np.zeros(size[::-1], np.uint8), time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(2)
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-f",
            "x11grab",
            "-draw_mouse",
            "0",
            "-video_size",
            f"{size[0]}x{size[1]}",
        ]
        command += ["-i", environment["DISPLAY"], "-frames:v", "1", folder / "screen.png"]
        subprocess.run(command, env=environment, check=True)
        now = np.asarray(Image.open(folder / "screen.png").convert("RGB"))[..., 1]
        if now.std() > 1 and np.array_equal(now, before):
            return now
        before = now
    raise SystemExit("mpv showed no steady picture")


if __name__ == "__main__":
    main()
