"""A board's line for a network: energy per frame, medians over visits; and what comes of it here."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from workers.kit.board import measure_ready
from workers.kit.receive import _speed
from workers.sensors import Reading, Sensors
from workers.timing.turns import Reference

PROTOCOL = {"name": "fullhd14-b4", "width": 1920, "height": 1080, "batch": 4, "rounds": 3, "frames": 1}


class Counter:
    """An energy counter that grows by 10 J a second."""

    name = "counter"

    def read(self) -> Reading:
        now = time.perf_counter()
        return Reading(energy_j=10 * now, temperature_c=40.0, clock_mhz=1000.0, throttled=(), at=now)


class Network:
    """Its visits take what they are told to take."""

    def __init__(self, *seconds: float) -> None:
        self.left = list(seconds)
        self.warm, self.steady, self.memory_mib, self.no_memory, self.cpu = [1.0], True, 5.0, None, [0.5]

    def visit(self, frames: int) -> tuple[float, ...]:
        return (self.left.pop(0) if len(self.left) > 1 else self.left[0],)

    def run(self) -> int:
        time.sleep(0.5)
        return 1


def test_the_energy_of_a_board_is_per_frame_of_the_batch_and_its_relative_time_a_median(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from workers.timing import turns

    class Quiet:
        def stop(self) -> turns.Window:
            return turns.Window(1.0, 1.0, 0.0, 0.0, 2)

    monkeypatch.setattr("workers.kit.board.CpuTimes", Quiet)
    entry = {"config": "Bicubic_s2", "precision": "fp32", "sha256": "0" * 64}
    reference = Reference(lambda: (0.1,), known=0.1)
    arguments = SimpleNamespace(sensors=Sensors((Counter(),)))
    (line,) = measure_ready([(entry, Network(0.4, 0.8, 1.6))], PROTOCOL, reference, arguments, 2.0)  # type: ignore[list-item]
    assert line["relative"] == pytest.approx(8.0)
    # 8 W above idle for about 0.5 s a call of four frames.
    assert line["energy_j"] == pytest.approx(8 * 0.5 / 4, rel=0.2)
    assert line["seconds"] == [0.4, 0.8, 1.6]
    speed = _speed(line, "results[0]", "board", "onnxruntime", PROTOCOL, {})
    assert speed.fps == pytest.approx(4 / 0.8)
    assert speed.energy_j == line["energy_j"], "a board's joules are per frame already"
    assert speed.detail["relative"] == line["relative"]
