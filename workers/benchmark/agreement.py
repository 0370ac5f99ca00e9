"""Checks that a backend computes the same image as torch before it is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_space.errors import BadData
from workers.backends.core import Frame, Job

LIMITS = {"fp32": 1e-3, "fp16": 0.05, "bf16": 0.2}
"""Largest mean difference from torch in float32, on random weights; of int8 only the shape is checked."""


def require_agreement(job: Job, frame: Frame, *, clips: bool = False) -> None:
    """Run one frame and compare with torch, cut to [0, 1] if the backend ``clips``; raises BadData when they differ."""
    with torch.inference_mode():
        want = job.module.cpu().float()(job.input).numpy()
    if clips:
        want = want.clip(0, 1)
    got = as_array(frame())
    if got.size != want.size:
        raise BadData(f"{job.name} gives {got.shape} instead of {want.shape}")
    limit = LIMITS.get(job.precision)
    difference = float(np.abs(got.reshape(want.shape) - want).mean())
    if limit is not None and not difference <= limit:
        raise BadData(f"{job.name} differs from torch by {difference:.2g} on average (limit {limit:g})")


def as_array(output: Any) -> NDArray[np.float32]:
    """A backend's output (tensor, OrtValue, array) as float32."""
    if isinstance(output, torch.Tensor):
        return output.detach().float().cpu().numpy()
    return np.asarray(output.numpy() if hasattr(output, "numpy") else output, dtype=np.float32)
