"""Power by counters that are updated now and then, and by momentary values."""

from __future__ import annotations

import time

import pytest

from workers.sensors import Reading, Sensors
from workers.timing import energy
from workers.timing.energy import counter_updates, idle_power, mean_power, run_power


def counter(
    watts: float, seconds: float, update_s: float, every_s: float = 0.01, began: float = 0.037
) -> list[Reading]:
    """What is read every 10 ms of a counter that shows every ``update_s`` how much went through."""
    moments = [began + 0.01 * i for i in range(round(100 * seconds) + 1)]
    return [Reading(energy_j=watts * update_s * (t // update_s), at=t) for t in moments]


@pytest.mark.parametrize("update_s", [0.001, 0.02, 0.1])
@pytest.mark.parametrize("began", [0.0, 0.037, 0.09])
def test_half_a_second_of_a_counter_gives_the_power_whenever_it_is_updated(update_s: float, began: float) -> None:
    assert mean_power(counter(300.0, 0.7, update_s, began=began)) == pytest.approx(300.0, rel=0.04)


def test_a_counter_that_was_updated_once_gives_what_the_whole_run_shows() -> None:
    assert mean_power([Reading(energy_j=100.0, at=0.0), Reading(energy_j=130.0, at=2.0)]) == pytest.approx(15.0)


def test_a_sensor_that_tells_zero_watts_tells_nothing() -> None:
    assert mean_power([Reading(energy_j=7.0, at=0.0), Reading(energy_j=7.0, at=2.0)]) is None
    assert mean_power([Reading(power_w=0.0, at=0.0), Reading(power_w=0.0, at=1.0)]) is None
    assert mean_power([Reading(at=0.0), Reading(at=1.0)]) is None


def test_without_a_counter_the_momentary_power_counts() -> None:
    assert mean_power([Reading(power_w=2.0, at=0.0), Reading(power_w=4.0, at=1.0)]) == 3.0
    assert counter_updates([Reading(power_w=2.0, at=0.0), Reading(power_w=4.0, at=1.0)]) == []


class Card:
    """300 W while frames run, 60 W otherwise; its counter is updated every ``update_s`` (0: it has none)."""

    name = "simulated"

    def __init__(self, update_s: float) -> None:
        self.update_s, self.began, self.frames = update_s, time.perf_counter(), 0

    def read(self) -> Reading:
        now = time.perf_counter()
        watts = 300.0 if self.frames else 60.0
        if not self.update_s:
            return Reading(power_w=watts, at=now)
        return Reading(energy_j=watts * self.update_s * ((now - self.began) // self.update_s), at=now)

    def run(self) -> int:
        self.frames += 3
        time.sleep(0.01)
        return 3


def test_a_run_with_a_counter_ends_as_soon_as_its_updates_suffice_and_one_without_takes_its_time() -> None:
    took: dict[float, float] = {}
    for update_s in (0.05, 0.0):
        card = Card(update_s)
        card.run()
        began = time.perf_counter()
        found = run_power(card.run, Sensors((card,)), 60.0, seconds=2.0, counted=0.3)
        took[update_s] = time.perf_counter() - began
        assert found is not None and found.power_w == pytest.approx(300.0, rel=0.3)
        frames_s = (card.frames - 3) / took[update_s]
        assert found.energy_j == pytest.approx((found.power_w - 60.0) / frames_s, rel=0.1)
    assert took[0.05] < 1.5 < 2.0 <= took[0.0]


def test_a_counter_that_stands_still_ends_a_run_and_gives_nothing() -> None:
    card = Card(1e9)
    assert run_power(card.run, Sensors((card,)), 60.0, seconds=0.1, counted=0.05) is None


def test_the_idle_machine_is_given_time_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(energy.time, "sleep", slept.append)
    assert idle_power(Sensors((Card(0.0),)), seconds=0.5, settle=0.25) == 60.0
    assert slept == [0.25, 0.5]
    assert idle_power(Sensors(())) is None and len(slept) == 2, "without a sensor nothing is waited for"
