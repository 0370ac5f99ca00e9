import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workers.sensors import Sensors, Unreadable, find_sensors
from workers.sensors.core import Reading, merge
from workers.sensors.cuda import gpu_uuid
from workers.sensors.jetson import Jetson
from workers.sensors.nvml import Nvml
from workers.sensors.powercap import Powercap
from workers.sensors.processor import Processor
from workers.sensors.raspberry import Raspberry, rails_power, throttle_flags


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


RAPL = {
    "class/powercap/intel-rapl:0/name": "package-0",
    "class/powercap/intel-rapl:0/energy_uj": "262143000000",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
    "class/powercap/intel-rapl:0:0/name": "core",
    "class/powercap/intel-rapl:0:0/energy_uj": "5",
    "class/powercap/intel-rapl:0:1/name": "dram",
    "class/powercap/intel-rapl:0:1/energy_uj": "1000000",
}


def test_rapl_counts_package_and_memory_but_no_core_twice(tmp_path: Path) -> None:
    sensor = Powercap(tree(tmp_path, RAPL))
    tree(tmp_path, {"class/powercap/intel-rapl:0:0/energy_uj": "9000000"})
    tree(tmp_path, {"class/powercap/intel-rapl:0:1/energy_uj": "3000000"})
    assert sensor.read().energy_j == pytest.approx(2.0)


def test_rapl_goes_on_counting_when_a_counter_wraps(tmp_path: Path) -> None:
    sensor = Powercap(tree(tmp_path, RAPL))
    tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "1000000"})
    assert sensor.read().energy_j == pytest.approx((262143328850 - 262143000000 + 1000000) / 1e6)


def test_a_machine_without_rapl_gives_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="powercap"):
        Powercap(tmp_path)


def test_rapl_that_only_root_may_read_gives_a_reason(tmp_path: Path) -> None:
    (tree(tmp_path, RAPL) / "class/powercap/intel-rapl:0/energy_uj").unlink()
    with pytest.raises(Unreadable, match="root only"):
        Powercap(tmp_path)


def test_a_counter_that_vanishes_reads_as_unknown_not_as_zero(tmp_path: Path) -> None:
    sensor = Powercap(tree(tmp_path, RAPL))
    (tmp_path / "class/powercap/intel-rapl:0/energy_uj").unlink()
    assert sensor.read().energy_j is None


ORIN = {
    f"bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/{name}": value
    for name, value in {
        "in1_label": "VDD_IN",
        "in1_input": "5000",
        "curr1_input": "1200",
        "in2_label": "VDD_CPU_GPU_CV",
        "in2_input": "5000",
        "curr2_input": "300",
        "in7_label": "sum of shunt voltages",
        "in7_input": "2",
    }.items()
}
XAVIER = {
    f"bus/i2c/drivers/ina3221x/1-0040/iio:device0/{name}": value
    for name, value in {
        "rail_name_0": "GPU",
        "in_power0_input": "2500",
        "rail_name_1": "CPU",
        "in_power1_input": "1500",
    }.items()
}


def test_a_jetson_with_an_input_rail_is_read_there(tmp_path: Path) -> None:
    assert Jetson(tree(tmp_path, ORIN)).read().power_w == pytest.approx(6.0)


def test_a_jetson_without_one_is_the_sum_of_its_rails(tmp_path: Path) -> None:
    assert Jetson(tree(tmp_path, XAVIER)).read().power_w == pytest.approx(4.0)


AGX_ORIN = {
    ("1-0040", 1): ("VDD_GPU_SOC", "19000", "400"),
    ("1-0040", 2): ("VDD_CPU_CV", "19000", "200"),
    ("1-0040", 3): ("VIN_SYS_5V0", "5000", "900"),
    ("1-0041", 1): ("NC", "0", "0"),
    ("1-0041", 2): ("VDDQ_VDD2_1V8AO", "5000", "300"),
    ("1-0041", 3): ("NC", "0", "0"),
    ("1-0041", 7): ("sum of shunt voltages", "2", "0"),
}


def test_an_agx_orin_is_the_sum_of_its_rails_as_none_of_them_feeds_the_whole_board(tmp_path: Path) -> None:
    for (monitor, channel), (label, millivolt, milliampere) in AGX_ORIN.items():
        folder = f"bus/i2c/drivers/ina3221/{monitor}/hwmon/hwmon{monitor[-1]}"
        tree(tmp_path, {f"{folder}/in{channel}_label": label})
        tree(tmp_path, {f"{folder}/in{channel}_input": millivolt, f"{folder}/curr{channel}_input": milliampere})
    assert Jetson(tmp_path).read().power_w == pytest.approx(7.6 + 3.8 + 4.5 + 1.5)


def test_a_rail_that_stops_answering_makes_power_unknown(tmp_path: Path) -> None:
    sensor = Jetson(tree(tmp_path, XAVIER))
    (tmp_path / "bus/i2c/drivers/ina3221x/1-0040/iio:device0/in_power1_input").unlink()
    assert sensor.read().power_w is None


CPU = {
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
    "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1700000",
    "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3",
    "class/hwmon/hwmon0/name": "acpi",
    "class/hwmon/hwmon0/temp1_input": "99000",
    "class/hwmon/hwmon1/name": "coretemp",
    "class/hwmon/hwmon1/temp1_input": "51000",
    "class/hwmon/hwmon1/temp2_input": "55000",
}


def test_a_processor_tells_clock_and_its_hottest_core(tmp_path: Path) -> None:
    reading = Processor(tree(tmp_path, CPU)).read()
    assert (reading.clock_mhz, reading.temperature_c, reading.throttled) == (1600.0, 55.0, ())


def test_a_growing_throttle_count_is_reported_once(tmp_path: Path) -> None:
    sensor = Processor(tree(tmp_path, CPU))
    tree(tmp_path, {"devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4"})
    assert sensor.read().throttled == ("thermal throttling",)
    assert sensor.read().throttled == ()


def test_throttling_that_nothing_tells_is_unknown_and_not_none_seen(tmp_path: Path) -> None:
    clock = {"devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000"}
    assert Processor(tree(tmp_path, clock)).read().throttled is None
    library = RecordedNvml()
    library.reasons = None  # type: ignore[assignment]  # what the caller sees when NVML does not support it
    assert Nvml(library=library).read().throttled is None
    answers = dict(PI)
    board = Raspberry(answers.get)
    answers["get_throttled"] = "VCHI initialization failed"
    assert board.read().throttled is None
    assert merge([Reading(), Reading()]).throttled is None
    assert merge([Reading(), Reading(throttled=())]).throttled == ()


def test_a_board_without_hwmon_is_read_from_its_thermal_zone(tmp_path: Path) -> None:
    zone = {"class/thermal/thermal_zone0/type": "cpu-thermal", "class/thermal/thermal_zone0/temp": "62000"}
    assert Processor(tree(tmp_path, zone)).read().temperature_c == 62.0


PI = {
    "get_throttled": "throttled=0x20002",
    "measure_temp": "temp=61.2'C",
    "measure_clock arm": "frequency(0)=1500345728",
    "pmic_read_adc": " VDD_CORE_A current(7)=1.50000000A\n VDD_CORE_V volt(15)=0.80000000V\n EXT5V_V volt(24)=5.1V",
}


def test_a_raspberry_tells_throttling_temperature_clock_and_power() -> None:
    reading = Raspberry(PI.get).read()
    assert reading.throttled == ("frequency capped",)
    assert (reading.temperature_c, reading.power_w) == (61.2, pytest.approx(1.2))
    assert reading.clock_mhz == pytest.approx(1500.3, abs=0.1)


def test_a_raspberry_without_a_pmic_has_no_power() -> None:
    assert Raspberry({"get_throttled": "throttled=0x0"}.get).read() == Reading(
        throttled=(), at=pytest.approx(0, abs=1e12)
    )


def test_a_pi_that_had_been_throttled_before_is_not_throttled_now() -> None:
    assert throttle_flags("throttled=0x50000") == ()
    assert rails_power("nothing") is None


class RecordedNvml:
    """The calls of pynvml we use, answering as a recorded device."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM = 0, 1

    class NVMLError(Exception):
        pass

    def __init__(self, energy: bool = True, pids: tuple[int, ...] = (), reasons: int = 0) -> None:
        self.energy, self.pids, self.reasons = energy, pids, reasons

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return uuid

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:
        if not self.energy:
            raise self.NVMLError("Not Supported")
        return 123_456_000

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        return 81_500

    def nvmlDeviceGetTemperature(self, handle: Any, kind: int) -> int:
        return 41

    def nvmlDeviceGetClockInfo(self, handle: Any, kind: int) -> int:
        return 1980

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        return SimpleNamespace(used=512 * 2**20)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Any) -> int:
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in self.pids]


def test_nvml_is_read_in_joules_watts_and_mebibytes() -> None:
    reading = Nvml(library=RecordedNvml()).read()
    assert (reading.energy_j, reading.power_w, reading.memory_mib) == (123456.0, 81.5, 512.0)
    assert (reading.temperature_c, reading.clock_mhz) == (41.0, 1980.0)


def test_a_gpu_without_an_energy_counter_still_tells_power() -> None:
    reading = Nvml(library=RecordedNvml(energy=False)).read()
    assert reading.energy_j is None
    assert reading.power_w == 81.5


def test_an_idle_gpu_is_not_throttled_but_a_hot_one_is() -> None:
    assert Nvml(library=RecordedNvml(reasons=0x1)).read().throttled == ()
    assert Nvml(library=RecordedNvml(reasons=0x20 | 0x4)).read().throttled == ("power cap", "software thermal slowdown")


def test_other_processes_on_the_gpu_are_counted() -> None:
    assert Nvml(library=RecordedNvml(pids=(os.getpid(), 1, 2))).read().strangers == 2
    assert Nvml(library=RecordedNvml(pids=(77,))).read().strangers == 0


def test_a_uuid_of_torch_is_spelt_as_nvml_wants_it() -> None:
    assert Nvml("ab-12", library=RecordedNvml()).handle == "GPU-ab-12"


class RecordedDriver:
    """The calls of the CUDA driver we use: one GPU, known to it as device 1."""

    def cuInit(self, flags: int) -> int:
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:
        device._obj.value = 7
        return 0 if number == 1 else 101

    def cuDeviceGetUuid(self, value: Any, device: Any) -> int:
        value._obj[:] = bytes(range(16)) if device.value == 7 else bytes(16)
        return 0


def test_the_driver_tells_which_gpu_a_number_means() -> None:
    assert gpu_uuid(1, RecordedDriver()) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert gpu_uuid(0, RecordedDriver()) is None


def test_a_gpus_sensors_are_those_of_its_uuid_and_need_no_torch() -> None:
    program = """
import sys
sys.modules["torch"] = None
import workers.sensors, workers.sensors.nvml as nvml
from tests.workers_tests.sensors.test_sensors import RecordedNvml
workers.sensors.gpu_uuid = lambda number: f"ab-{number}"
nvml._pynvml = RecordedNvml
(sensor,) = workers.sensors.find_sensors("cuda:1", __import__("pathlib").Path("/nowhere")).parts
print(sensor.name, sensor.handle)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["nvml", "GPU-ab-1"], done.stderr


def test_the_first_sensor_that_knows_a_value_counts() -> None:
    both = merge([Reading(temperature_c=50.0), Reading(temperature_c=70.0, power_w=3.0)])
    assert (both.temperature_c, both.power_w) == (50.0, 3.0)


def test_a_bare_machine_has_no_sensor_and_says_why(tmp_path: Path) -> None:
    sensors = find_sensors("cpu", tmp_path)
    assert sensors.read().power_w is None
    assert "powercap" in sensors.why_not("power")
    assert Sensors().why_not("power") == "no sensor for power"


def test_the_sensors_of_this_machine_never_read_zero_watts() -> None:
    reading = find_sensors("cpu").read()
    assert reading.power_w is None or reading.power_w > 0
    assert reading.temperature_c is None or reading.temperature_c > 0
