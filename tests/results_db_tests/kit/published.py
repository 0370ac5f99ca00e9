"""A small file of the same form as the authors' ``tests.pkl``, and hostile ones."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

SETS = ("Set5", "Set14", "BSDS100", "Urban100", "Manga109")


def document(ids: tuple[str, ...] = ("eSR-TM_s2_K5_C4", "Bicubic_s3", "ESPCN_s4_D22_S32")) -> dict[str, dict[str, Any]]:
    """Results of a few configs, in the authors' names, types and units."""
    chance = np.random.default_rng(0)
    table: dict[str, dict[str, Any]] = {}
    for config in ids:
        figures: dict[str, Any] = {}
        for dataset in SETS:
            figures[f"psnr_{dataset}"] = np.float64(chance.uniform(24, 38))
            figures[f"ssim_{dataset}"] = np.float64(chance.uniform(0.7, 0.95))
            figures[f"lpips_{dataset}"] = np.float64(chance.uniform(0.05, 0.4))
        figures |= {
            "parameters": np.int64(800),
            "speed_AGX": np.float64(18.5),
            "power_AGX": 2787,
            "speed_MaxQ": np.float64(320.5),
            "power_MaxQ": 66,
            "temperature_MaxQ": 76,
            "memory_MaxQ": 1825,
            "speed_RPI": np.float64(2.25),
            "usage_RPI": 355.25,
        }
        table[config] = figures
    return table


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class Runs:
    """Unpickling one of these would make a file: a test looks for it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Evaluates(Runs):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('os').system({self.command!r})",)
