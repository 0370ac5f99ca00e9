"""A stopwatch on a simulated CUDA device: a queue that works while the host launches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from workers.benchmark.clock import Stopwatch, stopwatch

LAUNCH, WORK = 0.004, 0.010
"""Seconds: of the host to launch a frame, of the device to compute it."""


class SimulatedCuda:
    """The host's clock, when the device will have worked off its queue, and which device was current at each call."""

    def __init__(self, launch: float = LAUNCH) -> None:
        self.launch, self.host, self.free = launch, 0.0, 0.0
        self.current, self.calls = 0, list[tuple[str, int]]()

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before, self.current = self.current, device.index or 0
        yield
        self.current = before

    def frame(self) -> None:
        self.calls.append(("frame", self.current))
        self.host += self.launch
        self.free = max(self.free, self.host) + WORK

    def synchronize(self) -> None:
        self.calls.append(("synchronize", self.current))
        self.host = max(self.host, self.free)

    def event(self, enable_timing: bool) -> SimulatedEvent:
        return SimulatedEvent(self)


class SimulatedEvent:
    def __init__(self, cuda: SimulatedCuda) -> None:
        self.cuda = cuda

    def record(self) -> None:
        self.cuda.calls.append(("record", self.cuda.current))
        self.at = max(self.cuda.free, self.cuda.host)

    def elapsed_time(self, end: SimulatedEvent) -> float:
        return 1000 * (end.at - self.at)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> SimulatedCuda:
    cuda = SimulatedCuda()
    for name, simulated in (("device", cuda.device), ("synchronize", cuda.synchronize), ("Event", cuda.event)):
        monkeypatch.setattr(torch.cuda, name, simulated)
    return cuda


@pytest.mark.parametrize("count", [1, 2, 14])
def test_no_time_on_a_gpu_holds_a_launch_from_an_idle_device(count: int, cuda: SimulatedCuda) -> None:
    cuda.host = 1.0  # the device has been idle for a second
    assert stopwatch("cuda").times(cuda.frame, count) == pytest.approx([WORK] * count)
    assert stopwatch("cuda")(cuda.frame) == pytest.approx(WORK)


def test_a_frame_that_takes_longer_to_launch_than_to_compute_takes_as_long_as_its_launch(cuda: SimulatedCuda) -> None:
    cuda.launch = 3 * WORK
    assert stopwatch("cuda").times(cuda.frame, 5) == pytest.approx([3 * WORK] * 5)


@pytest.mark.parametrize(("compute", "number"), [("cuda", 0), ("cuda:1", 1)])
def test_cuda_events_are_recorded_on_the_device_that_is_measured(
    compute: str, number: int, cuda: SimulatedCuda
) -> None:
    stopwatch(compute).times(cuda.frame, 2)
    wanted = ["frame", "record", "frame", "record", "frame", "record", "synchronize"]
    assert [call for call, _ in cuda.calls] == wanted
    stopwatch(compute).run(cuda.frame, 3)
    assert [call for call, _ in cuda.calls[len(wanted) :]] == ["frame"] * 3 + ["synchronize"]
    assert {device for _, device in cuda.calls} == {number}


def test_a_cpu_times_each_call() -> None:
    calls: list[int] = []
    watch = stopwatch("cpu")
    assert type(watch) is Stopwatch
    times = watch.times(lambda: calls.append(1), 3)
    watch.run(lambda: calls.append(2), 2)
    assert len(times) == 3 and min(times) >= 0 and watch(lambda: None) >= 0
    assert calls == [1, 1, 1, 2, 2]
