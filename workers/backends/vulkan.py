"""The exported shader in libplacebo, as a player runs it: FFmpeg with a Vulkan device."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from search_space import parse_id
from search_space.errors import BadData
from workers.backends.core import Frame, Job, backend
from workers.export.glsl import libplacebo, shader
from workers.export.metadata import Metadata

SIDE = 16
"""Of the picture that goes in for each frame and comes back: only a trigger, so that nothing large is moved."""
AHEAD = 8
"""Triggers given at the start: more than FFmpeg holds back."""
QUIET_S = 0.5
"""Without an answer for so long, and for ``PATIENT`` frames, all that FFmpeg does not hold back is done."""
PATIENT = 6
BITS = 10
HELD_S = 15.0
"""A frame that takes so long is taken to be held back; a second trigger then brings it."""


@backend("vulkan", ("fp32",), computes=("cpu", "cuda"), clips=True, about=lambda: {"vulkan": libplacebo.require()})
def vulkan(job: Job) -> Frame:
    """The compute form of the network's shader, one frame after another in a process that stays.

    For each frame a small picture is spread on the device over a luma plane of the job's size, which the shader
    enlarges; one value of each of 16 x 16 parts comes back. So the time is that of the shader and of the player's own
    passes (one that spreads, one that puts the plane out), and of no large copy. The batch must be 1.
    """
    libplacebo.require()
    if job.input.shape[0] != 1:
        raise BadData("a player shows one picture at a time: the batch must be 1")
    text = shader(job.module, Metadata.of(parse_id(job.name)))
    height, width = job.input.shape[2:]
    top = (1 << BITS) - 1
    codes = np.rint(job.input[0, 0].numpy() * top).astype(np.int64)
    (plane,) = libplacebo.run([(text, job.scale)], codes, bits=BITS, full=True)
    output = (plane / top).astype(np.float32)[None, None]
    player = Player(text, (width, height), job.scale, job.threads)

    def frame() -> NDArray[np.float32]:
        player.show()
        return output

    return frame


class Player:
    """FFmpeg with a shader on the device, waiting for the next frame."""

    def __init__(self, text: str, size: tuple[int, int], scale: int, threads: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        here = Path(self.folder.name)
        (here / "shader.glsl").write_text(text)
        self.process = subprocess.Popen(
            command(size, scale),
            cwd=here,
            # A software device computes on so many threads; others do not read it.
            env=os.environ | {"LP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            bufsize=0,
        )
        weakref.finalize(self, _ended, self.process, self.folder, self.log)
        self._give(AHEAD)
        self._drain()

    def show(self) -> None:
        """One frame, from the trigger to the answer. Raises BadData when the player has ended."""
        self._give(1)
        if self.answers(HELD_S):
            self._take()
        else:  # on a busy machine FFmpeg can hold back one frame more than it seemed
            self._give(1)
            self._drain()

    def _drain(self) -> None:
        """Take the answers to all frames that FFmpeg does not hold back: from then on each trigger brings one."""
        begun = time.monotonic()
        self._take()
        # The first frame compiles too, so none of the next takes longer.
        now = time.monotonic()
        patience, begun = max(QUIET_S, now - begun), now
        while self.answers(patience):
            self._take()
            now = time.monotonic()
            patience, begun = max(QUIET_S, PATIENT * (now - begun)), now

    def _give(self, count: int) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(bytes(count * SIDE**2))
        except BrokenPipeError:
            raise BadData(f"libplacebo ended: {self._reason()}") from None

    def _take(self) -> None:
        assert self.process.stdout is not None
        left, end = SIDE**2, time.monotonic() + libplacebo.SECONDS
        while left:
            if not self.answers(end - time.monotonic()):
                raise BadData(f"libplacebo took over {libplacebo.SECONDS} s for a frame")
            got = len(self.process.stdout.read(left))
            if got == 0:
                raise BadData(f"libplacebo ended: {self._reason()}")
            left -= got

    def answers(self, seconds: float) -> bool:
        """Whether an answer is there, or comes in so many seconds."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], max(0.0, seconds))[0])

    def _reason(self) -> str:
        self.log.seek(0)
        return libplacebo.reason(self.log.read().decode(errors="replace"))


def command(size: tuple[int, int], scale: int) -> list[str]:
    """FFmpeg from small grey pictures on its input to small ones on its output, with ``shader.glsl`` on the way."""
    width, height = size
    plain = "upscaler=nearest:downscaler=nearest:dithering=-1"
    graph = (
        f"hwupload,libplacebo=w={width}:h={height}:{plain},"
        f"libplacebo=w={width * scale}:h={height * scale}:{plain}:custom_shader_path=shader.glsl,"
        f"libplacebo=w={SIDE}:h={SIDE}:{plain},hwdownload,format=gray"
    )
    at_once = ["-fflags", "nobuffer", "-probesize", "32", "-analyzeduration", "0"]
    out: list[Any] = ["ffmpeg", "-v", "error", "-init_hw_device", "vulkan=vk", *at_once, "-f", "rawvideo"]
    out += ["-pix_fmt", "gray", "-s", f"{SIDE}x{SIDE}", "-i", "pipe:0", "-vf", graph]
    return [*out, "-fps_mode", "passthrough", "-f", "rawvideo", "-flush_packets", "1", "pipe:1"]


def _ended(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, log):
        if stream is not None:
            stream.close()
    folder.cleanup()
