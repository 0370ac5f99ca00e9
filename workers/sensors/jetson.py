"""Power rails of NVIDIA Jetson boards: the INA3221 monitors, as JetPack 4 (iio) and 5 and later (hwmon) show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workers.sensors.core import Reading, Unreadable
from workers.sensors.sysfs import number, text

INPUTS = ("VDD_IN", "POM_5V_IN")
"""Rails that feed the whole board, as jetson-stats counts them; where there is none (AGX), all rails together are the
board. VIN_SYS_5V0 of the AGX Orin feeds the 5 V system alone: GPU and CPU have rails of their own beside it."""


class Jetson:
    """Watts at the board's input, or of all rails together."""

    name = "jetson-ina"

    def __init__(self, root: Path = Path("/sys")) -> None:
        rails = {**_iio(root), **_hwmon(root)}
        rails = {label: read for label, read in rails.items() if read() is not None}
        if not rails:
            raise Unreadable(f"no INA3221 power rails under {root / 'bus/i2c/drivers'}")
        whole = [label for label in INPUTS if label in rails]
        self.rails = {whole[0]: rails[whole[0]]} if whole else rails

    def read(self) -> Reading:
        """Momentary power; None when a rail has become unreadable."""
        watts = [read() for read in self.rails.values()]
        readable = [value for value in watts if value is not None]
        return Reading(power_w=sum(readable) if len(readable) == len(watts) else None)


def _hwmon(root: Path) -> dict[str, Callable[[], float | None]]:
    rails: dict[str, Callable[[], float | None]] = {}
    for label in sorted(root.glob("bus/i2c/drivers/ina3221*/*/hwmon/hwmon*/in*_label")):
        name, channel = text(label), label.name.removeprefix("in").removesuffix("_label")
        # Channel 7 is the monitor's own sum of shunt voltages, not a rail.
        if name and name.lower() not in ("nc", "sum of shunt voltages"):
            rails[name] = _product(label.parent / f"in{channel}_input", label.parent / f"curr{channel}_input")
    return rails


def _product(millivolt: Path, milliampere: Path) -> Callable[[], float | None]:
    def watts() -> float | None:
        volts, amperes = number(millivolt), number(milliampere)
        return None if volts is None or amperes is None else volts * amperes / 1e6

    return watts


def _iio(root: Path) -> dict[str, Callable[[], float | None]]:
    rails: dict[str, Callable[[], float | None]] = {}
    for label in sorted(root.glob("bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*")):
        name, channel = text(label), label.name.rpartition("_")[2]
        if name:
            rails[name] = _milliwatts(label.parent / f"in_power{channel}_input")
    return rails


def _milliwatts(path: Path) -> Callable[[], float | None]:
    def watts() -> float | None:
        value = number(path)
        return None if value is None else value / 1000

    return watts
