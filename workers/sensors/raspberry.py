"""Raspberry Pi: throttling and temperature by ``vcgencmd``; power too where the board has a PMIC with an ADC (Pi 5)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

from workers.sensors.core import Reading, Unreadable

FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of ``get_throttled``; 16 higher each says that it has happened since boot."""


class Raspberry:
    """One board."""

    name = "vcgencmd"

    def __init__(self, call: Callable[[str], str | None] | None = None) -> None:
        """``call`` runs a subcommand and returns its text (None: failed). Raises Unreadable."""
        if call is None and shutil.which("vcgencmd") is None:
            raise Unreadable("vcgencmd is not installed (not a Raspberry Pi)")
        self.call = call or _vcgencmd
        if self.call("get_throttled") is None:
            raise Unreadable("vcgencmd get_throttled fails (is this user in the group video?)")

    def read(self) -> Reading:
        """Throttling now, temperature, ARM clock, and power in W where the rails can be read."""
        temperature = _number(self.call("measure_temp"), r"temp=([0-9.]+)")
        clock = _number(self.call("measure_clock arm"), r"=([0-9]+)")
        rails, throttled = self.call("pmic_read_adc"), self.call("get_throttled")
        return Reading(
            power_w=rails_power(rails) if rails else None,
            temperature_c=temperature,
            clock_mhz=None if clock is None else clock / 1e6,
            throttled=None if throttled is None else throttle_flags(throttled),
        )


def throttle_flags(answer: str) -> tuple[str, ...] | None:
    """Why the clock is throttled now; None for an answer that cannot be read.

    >>> throttle_flags("throttled=0x50005"), throttle_flags("throttled=0x0")
    (('under-voltage', 'throttled'), ())
    """
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", answer)
    if match is None:
        return None
    bits = int(match[1], 16)
    return tuple(reason for bit, reason in FLAGS.items() if bits >> bit & 1)


def rails_power(answer: str) -> float | None:
    """W of all rails with both volts and amperes, from ``pmic_read_adc``.

    >>> rails_power("VDD_CORE_A current(7)=2.0A\\nVDD_CORE_V volt(15)=0.9V\\nEXT5V_V volt(24)=5.1V")
    1.8
    """
    amperes = {m[1]: float(m[2]) for m in re.finditer(r"(\w+)_A current\(\d+\)=([0-9.]+)A", answer)}
    volts = {m[1]: float(m[2]) for m in re.finditer(r"(\w+)_V volt\(\d+\)=([0-9.]+)V", answer)}
    both = [amperes[rail] * volts[rail] for rail in amperes if rail in volts]
    return sum(both) if both else None


def _number(answer: str | None, pattern: str) -> float | None:
    found = re.search(pattern, answer or "")
    return float(found[1]) if found else None


def _vcgencmd(arguments: str) -> str | None:
    try:
        done = subprocess.run(["vcgencmd", *arguments.split()], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 and "error" not in done.stdout else None
