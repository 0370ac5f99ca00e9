"""Timing one frame: finished work only, never just its submission."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from workers.backends.core import Frame

Stopwatch = Callable[[Frame], float]


def stopwatch(compute: str) -> Stopwatch:
    """A function that runs a frame and returns its seconds, with the device idle before and after.

    On a CUDA device the two moments are CUDA events in that device's current stream, so the time is its own.
    """
    return _cuda(torch.device(compute)) if compute.startswith("cuda") else _cpu


def _cpu(frame: Frame) -> float:
    start = time.perf_counter()
    frame()
    return time.perf_counter() - start


def _cuda(device: torch.device) -> Stopwatch:
    def watch(frame: Frame) -> float:
        # Events are recorded in the stream of the current device, which need not be the one that is measured.
        with torch.cuda.device(device):
            torch.cuda.synchronize()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            frame()
            end.record()
            torch.cuda.synchronize()
            return float(start.elapsed_time(end)) / 1000

    return watch
