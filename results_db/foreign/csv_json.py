"""A finished table from elsewhere (CSV or JSON) as a sweep of its own, for replay and comparison.

The form is that of ``sweep export-results``: one row per config and device with ``config``, any
``metric:dataset`` columns, and, for speed, ``device``, ``fps`` and optionally ``backend``,
``precision``, ``speed_protocol``, ``power_w``, ``energy_j``, ``memory_mib``, ``temperature_c``,
``cpu_percent``. Other columns are ignored.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from results_db.foreign.results import ForeignResults
from search_space import parse_id
from search_space.errors import BadConfig, BadData
from search_space.facts import Quality, Speed
from search_space.metrics import unit_of

MAX_BYTES = 512 * 2**20
OPTIONAL = ("power_w", "energy_j", "memory_mib", "temperature_c", "cpu_percent", "seconds_median", "seconds_iqr")


def read(path: Path, name: str) -> ForeignResults:
    """The facts in a CSV or JSON table; ``name`` stands for the protocol where the table names none.

    Raises BadData with the line or row that cannot be used.
    """
    qualities: dict[tuple[str, str, str, str], Quality] = {}
    speeds: dict[tuple[str, ...], Speed] = {}
    parameters: dict[str, int] = {}
    for place, row in _rows(path):
        where = f"{path}, {place}"
        config = _config(row, where)
        protocol = str(row.get("protocol") or f"table-{name}")
        for column, cell in row.items():
            metric, _, dataset = str(column).partition(":")
            if not dataset or cell in (None, ""):
                continue
            value = _number(cell, f"{where}: {column}")
            fact = Quality(config, dataset, metric, value, unit_of(metric), protocol)
            if qualities.setdefault((config, dataset, metric, protocol), fact).value != value:
                raise BadData(f"{where}: a second, different {column} for {config}")
        if row.get("device") and row.get("fps") not in (None, ""):
            speed = _speed(row, config, name, where)
            speeds[speed.config, speed.device, speed.backend, speed.precision, speed.protocol] = speed
        if row.get("parameters") not in (None, ""):
            parameters[config] = int(_number(row["parameters"], f"{where}: parameters"))
    if not qualities and not speeds:
        raise BadData(f"{path}: no measurements (columns such as psnr:Set5, or device and fps)")
    return ForeignResults(tuple(qualities.values()), tuple(speeds.values()), parameters)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path.suffix not in (".csv", ".json"):
        raise BadData(f"{path}: a table is a .csv or .json file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadData(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadData(f"{path} is not a text file") from None
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines())
        try:
            for row in reader:
                yield f"line {reader.line_num}", {key: cell for key, cell in row.items() if key is not None}
        except csv.Error as error:
            raise BadData(f"{path}, line {reader.line_num}: {error}") from None
    else:
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path} is not JSON: {str(error)[:120]}") from None
        if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
            raise BadData(f"{path}: expected a list of objects, one per config and device")
        for count, row in enumerate(listed, 1):
            yield f"row {count}", row


def _config(row: Mapping[str, Any], where: str) -> str:
    config = row.get("config")
    if not isinstance(config, str) or not config:
        raise BadData(f"{where}: no config id")
    try:
        parse_id(config)
    except BadConfig as error:
        raise BadData(f"{where}: {error}") from None
    return config


def _number(cell: Any, where: str) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        raise BadData(f"{where} is not a number: {str(cell)[:40]!r}") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise BadData(f"{where} is {value}")
    return value


def _speed(row: Mapping[str, Any], config: str, name: str, where: str) -> Speed:
    fps = _number(row["fps"], f"{where}: fps")
    if fps <= 0:
        raise BadData(f"{where}: fps is {fps}, not above 0")
    others: dict[str, Any] = {n: _number(row[n], f"{where}: {n}") for n in OPTIONAL if row.get(n) not in (None, "")}
    return Speed(
        config=config,
        device=str(row["device"]),
        backend=str(row.get("backend") or "unknown"),
        precision=str(row.get("precision") or "unknown"),
        protocol=str(row.get("speed_protocol") or f"table-{name}"),
        fps=fps,
        **others,
    )
