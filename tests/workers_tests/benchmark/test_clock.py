from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from workers.benchmark.clock import stopwatch


class RecordedCuda:
    """Which device was current at each call; an event is bound to it, as torch's are."""

    def __init__(self) -> None:
        self.current, self.calls = 0, list[tuple[str, int]]()

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before, self.current = self.current, device.index or 0
        yield
        self.current = before

    def synchronize(self) -> None:
        self.calls.append(("synchronize", self.current))

    def event(self, enable_timing: bool) -> "RecordedEvent":
        return RecordedEvent(self)


class RecordedEvent:
    def __init__(self, cuda: RecordedCuda) -> None:
        self.cuda = cuda

    def record(self) -> None:
        self.cuda.calls.append(("record", self.cuda.current))

    def elapsed_time(self, end: object) -> float:
        return 25.0


@pytest.mark.parametrize(("compute", "number"), [("cuda", 0), ("cuda:1", 1)])
def test_cuda_events_are_recorded_on_the_device_that_is_measured(
    compute: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = RecordedCuda()
    for name, fake in (("device", cuda.device), ("synchronize", cuda.synchronize), ("Event", cuda.event)):
        monkeypatch.setattr(torch.cuda, name, fake)
    seconds = stopwatch(compute)(lambda: cuda.calls.append(("frame", cuda.current)))
    assert seconds == 0.025
    assert [call for call, _ in cuda.calls] == ["synchronize", "record", "frame", "record", "synchronize"]
    assert {device for _, device in cuda.calls} == {number}
