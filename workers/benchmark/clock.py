"""Timing frames: finished work only, never just its submission."""

from __future__ import annotations

import time
from itertools import pairwise

import torch

from workers.backends.core import Frame


class Stopwatch:
    """Of a CPU, where a frame is finished when its call returns."""

    def __call__(self, frame: Frame) -> float:
        """Run a frame and return its seconds."""
        return self.times(frame, 1)[0]

    def times(self, frame: Frame, count: int) -> tuple[float, ...]:
        """Seconds of each of ``count`` frames, one after another without a pause."""
        marks = [time.perf_counter()]
        for _ in range(count):
            frame()
            marks.append(time.perf_counter())
        return tuple(end - start for start, end in pairwise(marks))

    def run(self, frame: Frame, count: int) -> None:
        """Run ``count`` frames to their end."""
        for _ in range(count):
            frame()


class CudaStopwatch(Stopwatch):
    """Of a CUDA device: the moments are events in its current stream, so the times are its own.

    A frame that is not timed goes first, and each event follows a frame at once: the device is busy when a frame is
    launched, and no time holds a launch from an idle device. Where launching a frame takes longer than its work, the
    device waits for the host between frames, and that is part of their times: so it is when many frames are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def times(self, frame: Frame, count: int) -> tuple[float, ...]:
        """See ``Stopwatch``."""
        # Events are recorded in the stream of the current device, which need not be the one that is measured.
        with torch.cuda.device(self.device):
            events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]  # type: ignore[no-untyped-call]
            frame()
            for event in events[:-1]:
                event.record()
                frame()
            events[-1].record()
            torch.cuda.synchronize()
            return tuple(float(start.elapsed_time(end)) / 1000 for start, end in pairwise(events))

    def run(self, frame: Frame, count: int) -> None:
        """See ``Stopwatch``."""
        with torch.cuda.device(self.device):
            super().run(frame, count)
            torch.cuda.synchronize()


def stopwatch(compute: str) -> Stopwatch:
    """The stopwatch of a device, as torch names it: ``cpu``, ``cuda``, ``cuda:1``."""
    return CudaStopwatch(torch.device(compute)) if compute.startswith("cuda") else Stopwatch()
