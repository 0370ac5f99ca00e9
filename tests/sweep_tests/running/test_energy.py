"""The energy of a sweep: read from counters, kept with the sweep, told with its costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from results_db.reading.costs import costs
from results_db.store import Store
from sweep.executors import by_name
from sweep.planning.open_sweep import OpenSweep
from sweep.running import launch as launching
from sweep.running.energy import EnergyMeter
from sweep.running.launch import Launch, launch
from tests.sweep_tests.kit import DATA, planned
from workers.sensors import find_sensors

TOP = 262_143_328_850
"""Microjoules after which the counter begins again."""


def counter(root: Path, microjoules: int) -> None:
    zone = root / "class/powercap/intel-rapl:0"
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "name").write_text("package-0")
    (zone / "max_energy_range_uj").write_text(str(TOP))
    (zone / "energy_uj").write_text(str(microjoules))


def test_a_meter_counts_from_its_making_on_and_over_the_end_of_a_counter(tmp_path):
    counter(tmp_path, TOP - 1_000_000)
    meter = EnergyMeter([find_sensors("cpu", tmp_path)], read_every_s=0)
    counter(tmp_path, 4_000_000)
    meter.tick()
    counter(tmp_path, 6_000_000)
    assert meter.joules() == pytest.approx(7.0, abs=0.001)


def test_without_a_counter_the_energy_is_unknown_not_zero(tmp_path):
    assert EnergyMeter([find_sensors("cpu", tmp_path)]).joules() is None
    counter(tmp_path, 0)
    meter = EnergyMeter([find_sensors("cpu", tmp_path), find_sensors("cpu", tmp_path / "elsewhere")])
    assert meter.joules() is None, "half of the energy would be taken for all of it"


def run(store: Store, address: str = "local") -> int:
    sweep = OpenSweep.of(store, planned(store, 2), DATA)
    launch(sweep, Launch(executor="inline", benchmark=False, address=address), quiet=True)
    return sweep.id


@pytest.fixture
def metered(tmp_path, monkeypatch) -> Path:
    """A machine whose counter stands 7200 J further after the training."""
    root = tmp_path / "sys"
    counter(root, 0)
    monkeypatch.setattr(launching, "meter", lambda gpus: EnergyMeter([find_sensors("cpu", root)]))
    make = by_name.make_executor

    def train(*asked: object) -> object:
        counter(root, 7_200_000_000)
        return make(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(by_name, "make_executor", train)
    return root


def test_the_energy_of_each_run_is_added_to_the_sweeps_costs(metered, tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        sweep_id = run(store)
        assert costs(store, sweep_id).energy_kwh == pytest.approx(0.002)
        store.add_energy(sweep_id, 3_600_000.0)
        assert costs(store, sweep_id).energy_kwh == pytest.approx(1.002)
        assert costs(store, store.create_sweep("another", "paper", "{}")).energy_kwh is None


def test_a_cluster_does_not_take_this_machines_energy_for_its_own(metered, tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        assert costs(store, run(store, address="auto")).energy_kwh is None
