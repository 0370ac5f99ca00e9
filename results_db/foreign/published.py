"""The authors' measured results as a sweep of its own.

Their file maps an id to ``{psnr,ssim,lpips}_{set}``, ``speed_{device}`` (frames/s), ``power_{device}``,
``temperature_MaxQ`` (degrees Celsius), ``memory_MaxQ`` (MiB), ``usage_RPI`` (CPU use, 100 per core) and
``parameters``. ``power_AGX`` is in milliwatts (1395 to 9103: the module draws 1.4 to 9.1 W), ``power_MaxQ``
in watts (38 to 143).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from results_db.foreign import safe_pickle
from results_db.foreign.results import ForeignResults
from results_db.records import Added, Source
from results_db.store import Store
from search_space import parse_id
from search_space.errors import BadConfig, BadData
from search_space.facts import Quality, Speed
from search_space.metrics import METRICS, unit_of

SWEEP = "published"
QUALITY_PROTOCOL = "published-edge-sr"
SPEED_PROTOCOL = "published-fullhd14"
PRECISIONS = {"AGX": "fp16", "MaxQ": "fp16", "RPI": "fp32"}
"""The paper times GPUs at 16 bits and the Raspberry Pi's CPU at 32."""


@dataclass(frozen=True)
class Imported:
    """What an import put into the store."""

    sweep: str
    configs: int
    quality: Added
    speed: Added


def read(path: Path) -> ForeignResults:
    """The authors' ``tests.pkl``, read without unpickling it; raises BadData when it is anything else."""
    if not path.exists():
        raise BadData(f"there is no file {path}")
    if path.suffix != ".pkl":
        raise BadData(
            f"{path}: the published results are a .pkl file (a table of your own: sweep published import-table "
            f"{quote(str(path))} --name NAME)"
        )
    try:
        size = path.stat().st_size
        if size > safe_pickle.MAX_BYTES:
            raise BadData(f"{path}: larger than {safe_pickle.MAX_BYTES // 2**20} MiB: not a table of results")
        data = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        return table(safe_pickle.loads(data))
    except BadData as error:
        raise BadData(f"{path}: {error}") from None


def table(document: Any) -> ForeignResults:
    """The facts in the authors' dict of dicts; raises BadData naming what is not as it should be."""
    if not isinstance(document, dict) or not document:
        raise BadData("it holds no results")
    qualities: list[Quality] = []
    speeds: list[Speed] = []
    parameters: dict[str, int] = {}
    for config, values in document.items():
        _require_config(config)
        if not isinstance(values, dict):
            raise BadData(f"{config}: no measurements")
        numbers = {name: number(config, name, value) for name, value in values.items()}
        for name in numbers:
            metric, _, of = name.partition("_")
            if metric in METRICS and of:
                qualities.append(Quality(config, of, metric, numbers[name], unit_of(metric), QUALITY_PROTOCOL))
            elif metric == "speed" and of:
                speeds.append(_speed(config, of, numbers))
        if "parameters" in numbers:
            parameters[config] = int(numbers["parameters"])
    if not qualities and not speeds:
        raise BadData("it holds no measurement that is known (psnr_SET, ssim_SET, lpips_SET, speed_DEVICE, ...)")
    return ForeignResults(tuple(qualities), tuple(speeds), parameters)


def _require_config(config: object) -> None:
    if not isinstance(config, str):
        raise BadData("an id is not a text")
    try:
        parse_id(config)
    except BadConfig as error:
        raise BadData(str(error)) from None


def number(config: str, name: str, value: object) -> float:
    """``value`` as a float; raises BadData when it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadData(f"{config}: {name} is not a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise BadData(f"{config}: {name} is {result}")
    return result


def _speed(config: str, device: str, numbers: Mapping[str, float]) -> Speed:
    fps = numbers[f"speed_{device}"]
    if fps <= 0:
        raise BadData(f"{config}: speed_{device} is {fps}, not above 0")
    power = numbers.get(f"power_{device}")
    if power is not None and device == "AGX":
        power /= 1000
    return Speed(
        config=config,
        device=device,
        backend="pytorch",
        precision=PRECISIONS.get(device, "fp32"),
        protocol=SPEED_PROTOCOL,
        fps=fps,
        seconds_median=None,
        runs=None,
        power_w=power,
        memory_mib=numbers.get(f"memory_{device}"),
        temperature_c=numbers.get(f"temperature_{device}"),
        cpu_percent=numbers.get(f"usage_{device}"),
        detail={"note": "as published; energy and spread were not"},
    )


def keep(store: Store, results: ForeignResults, name: str = SWEEP, source: Source = Source.PUBLISHED) -> Imported:
    """Put a table into the store as the sweep ``name``; a second time changes nothing."""
    number = store.create_sweep(name, "table", "{}", "unknown", source=source)
    quality = store.add_qualities(number, results.qualities, source, label=name, parameters=results.parameters)
    speed = store.add_speeds(results.speeds, source)
    return Imported(name, len(results.configs), quality, speed)
