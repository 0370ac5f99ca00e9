from pathlib import Path

import torch

from workers.benchmark.memory import PeakMemory
from workers.timing.process_memory import ProcessPeak


def status(proc: Path, now: int, most: int) -> None:
    (proc / "status").write_text(f"Name:\tpython\nVmHWM:\t{most} kB\nVmRSS:\t{now} kB\n")


def test_the_peak_of_a_process_is_counted_from_where_it_began(tmp_path: Path) -> None:
    peak = ProcessPeak(tmp_path)
    status(tmp_path, 10_240, 99_999)
    peak.start()
    assert (tmp_path / "clear_refs").read_text() == "5"
    status(tmp_path, 12_000, 20_480)
    assert peak.stop() == 10.0
    assert peak.why is None


def test_a_peak_that_cannot_be_told_is_none_with_a_reason(tmp_path: Path) -> None:
    peak = ProcessPeak(tmp_path / "nowhere")
    peak.start()
    assert peak.stop() is None
    assert "clear_refs" in (peak.why or "")
    peak = ProcessPeak(tmp_path)
    peak.start()
    assert peak.stop() is None
    assert "does not tell" in (peak.why or "")
    status(tmp_path, 10_240, 10_240)
    peak.start()
    assert peak.stop() is None
    assert "did not grow" in (peak.why or "")


def test_the_gpu_memory_of_another_runtime_is_unknown_and_not_zero() -> None:
    memory = PeakMemory("cuda:0", in_torch=False)
    memory.start()
    assert memory.stop() is None
    assert "past torch's allocator" in (memory.why or "")


def test_memory_on_a_cpu_is_that_of_the_process() -> None:
    memory = PeakMemory("cpu", in_torch=True)
    memory.start()
    kept = torch.ones(16, 2**20)
    found = memory.stop()
    assert found is None or found > 0.9 * kept.numel() * 4 / 2**20
    assert (found is None) == (memory.why is not None)
