"""A shader as a function of images, as the check of an export wants it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workers.export.glsl import libplacebo
from workers.export.glsl.following import follow
from workers.export.glsl.plan import plan_of
from workers.export.glsl.storage import stored_as_needed

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def runner(text: str, deployed: nn.Module, scale: int) -> tuple[Run, str]:
    """(N, 1, H, W) to (N, 1, sH, sW), and who ran it: libplacebo on a Vulkan device where there is one.

    Elsewhere the same passes are followed in torch, with values between them in half precision, and the name says so.
    A player sees planes of 8 bits, so inputs are taken to multiples of 1/255.
    """
    device = libplacebo.device()
    if device is not None:
        return _played(text, scale), f"libplacebo on {device}"
    plan = stored_as_needed(plan_of(deployed, scale), deployed)

    def followed(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return follow(plan, torch.from_numpy(x)).numpy()

    return followed, "torch pass by pass (no FFmpeg with libplacebo and Vulkan here)"


def _played(text: str, scale: int) -> Run:
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        codes = np.rint(x[:, 0] * 255).astype(np.uint8)
        planes = [libplacebo.run([(text, scale)], image, full=True)[0] / 255 for image in codes]
        return np.stack(planes)[:, None].astype(np.float32)

    return run
