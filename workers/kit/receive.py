"""Take a results file from a board, which may be anybody's: every value is checked before it becomes a fact."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any, NoReturn

from search_space import parse_id
from search_space.errors import BadData, SweepError
from search_space.facts import Speed
from workers.benchmark.figures import with_ties
from workers.benchmark.protocols import MAX_SIDE, PROTOCOLS
from workers.kit.board import KIT_FORMAT, PROVIDERS, RESULTS_FORMAT, canonical
from workers.timing import summarise

MAX_BYTES = 32 * 2**20
MAX_RESULTS = 20_000
BACKENDS = {"cpu": "onnxruntime", "cuda": "onnxruntime-cuda", "tensorrt": "tensorrt"}
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9x._-]{0,60}")


def read_results(path: Path, device: str | None = None, kit: Path | None = None) -> list[Speed]:
    """The figures of a results file as Speed facts, under ``device`` or the name the file gives.

    With ``kit``, the models must be those of that kit (by manifest and SHA-256). Raises BadData with the
    place and the value that is wrong; nothing of a bad file is taken.
    """
    document = _object(_load(path), "the file")
    if document.get("format") != RESULTS_FORMAT:
        raise BadData(f"{path} is not a results file of a kit (format {str(document.get('format'))[:40]!r})")
    try:
        digest = hashlib.sha256(canonical(document)).hexdigest()
    except (TypeError, ValueError, RecursionError):
        raise BadData(f"{path} holds values that no results file has") from None
    if document.get("digest") != digest:
        raise BadData(f"{path} was changed or cut after it was written (its digest does not match)")
    if kit is not None:
        _require_kit(document, kit)
    name = _text(device if device is not None else document.get("device"), "device", 100)
    provider = document.get("provider")
    if not isinstance(provider, str) or provider not in PROVIDERS:
        _wrong("provider", provider)
    protocol = _protocol(document.get("protocol"))
    lines = document.get("results")
    if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_RESULTS:
        raise BadData(f"{path} holds no results, or more than {MAX_RESULTS:,}")
    shared = {
        "kit": _hash(document.get("kit"), "kit"),
        "threads": int(_number(document.get("threads"), "threads", 1, 4096)),
        "reference": _config(document.get("reference"), "reference"),
        "machine": _strings(document.get("machine"), "machine"),
        "versions": _strings(document.get("versions"), "versions"),
        "compute": provider,
        "output": [protocol["width"], protocol["height"]],
        "batch": protocol["batch"],
    }
    speeds = [_speed(line, f"results[{i}]", name, BACKENDS[provider], protocol, shared) for i, line in enumerate(lines)]
    keys = [(one.config, one.precision) for one in speeds]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twice is not None:
        raise BadData(f"{twice[0]} ({twice[1]}) is in {path} twice")
    by_precision = dict.fromkeys(one.precision for one in speeds)
    return [one for p in by_precision for one in with_ties([s for s in speeds if s.precision == p])]


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadData(f"{path} has {path.stat().st_size >> 20} MiB (limit {MAX_BYTES >> 20})")
        data = path.read_bytes()
    except OSError as error:
        raise BadData(f"cannot read {path}: {error.strerror}") from None
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path} is not a results file (not readable as JSON: {str(error)[:80]})") from None


def _speed(line: Any, where: str, device: str, backend: str, protocol: dict[str, Any], shared: dict[str, Any]) -> Speed:
    line = _object(line, where)
    times = line.get("seconds")
    if not isinstance(times, list) or not 1 <= len(times) <= 10_000:
        _wrong(f"{where}.seconds", times)
    summary = summarise([_number(t, f"{where}.seconds", 1e-7, 3600) for t in times])
    precision = line.get("precision")
    if precision not in ("fp32", "fp16", "int8"):
        _wrong(f"{where}.precision", precision)
    for flag in ("steady", "disturbed"):
        if not isinstance(line.get(flag), bool):
            _wrong(f"{where}.{flag}", line.get(flag))
    reasons = line.get("disturbances")
    if not isinstance(reasons, list) or len(reasons) > 10:
        _wrong(f"{where}.disturbances", reasons)
    why = line.get("why_no_power")
    power = _optional(line, "power_w", where, 0.001, 100_000)
    return Speed(
        config=_config(line.get("config"), f"{where}.config"),
        device=device,
        backend=backend,
        precision=str(precision),
        protocol=protocol["name"],
        fps=protocol["batch"] / summary.median,
        seconds_median=summary.median,
        seconds_iqr=summary.iqr,
        seconds_min=summary.least,
        runs=summary.n,
        power_w=power,
        energy_j=_optional(line, "energy_j", where, 0, 1e6),
        temperature_c=_optional(line, "temperature_c", where, -60, 200),
        cpu_percent=_optional(line, "cpu_percent", where, 0, 100),
        detail={
            **shared,
            "sha256": _hash(line.get("sha256"), f"{where}.sha256"),
            "relative": _number(line.get("relative"), f"{where}.relative", 1e-6, 1e6),
            "reference_seconds": _number(line.get("reference_seconds"), f"{where}.reference_seconds", 1e-7, 3600),
            "warm_frames": int(_number(line.get("warm_frames"), f"{where}.warm_frames", 1, 1e6)),
            "steady": line["steady"],
            "disturbed": line["disturbed"],
            "disturbances": [_text(one, f"{where}.disturbances", 300) for one in reasons],
            "clock_mhz": _optional(line, "clock_mhz", where, 1, 100_000),
            "measured_at": _time(line.get("measured_at"), f"{where}.measured_at"),
            "missing": {} if power is not None else {"power_w": _text(why or "not told", f"{where}.why_no_power", 600)},
        },
    )


def _protocol(found: Any) -> dict[str, Any]:
    """Name and sizes; a name of ours must mean what it means here."""
    values = _object(found, "protocol")
    name = values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _wrong("protocol.name", name)
    out: dict[str, Any] = {"name": name}
    for key, most in (("width", MAX_SIDE), ("height", MAX_SIDE), ("batch", 256), ("rounds", 1000), ("frames", 1000)):
        out[key] = int(_number(values.get(key), f"protocol.{key}", 1, most))
    ours = PROTOCOLS.get(name)
    if ours is not None and any(out[key] != getattr(ours, key) for key in out):
        raise BadData(f"the file says protocol {name!r}, but not with the sizes and rounds that name has here")
    return out


def _require_kit(document: dict[str, Any], kit: Path) -> None:
    try:
        with zipfile.ZipFile(kit) as archive:
            if archive.getinfo("manifest.json").file_size > MAX_BYTES:
                raise BadData(f"{kit} has a manifest that is too large")
            text = archive.read("manifest.json")
        manifest = json.loads(text)
        hashes = {(one["config"], one["precision"]): one["sha256"] for one in manifest["models"]}
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise BadData(f"{kit} is not a kit") from None
    if manifest.get("format") != KIT_FORMAT or document.get("kit") != hashlib.sha256(text).hexdigest():
        raise BadData(f"these results were not made with the kit {kit}")
    for line in document.get("results") or []:
        key = (line.get("config"), line.get("precision")) if isinstance(line, dict) else None
        if key is None or hashes.get(key) != line.get("sha256"):
            raise BadData(f"{str(key)[:80]} is not a model of the kit {kit}")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadData(f"results file: {where} is not an object")
    return value


def _number(value: Any, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _wrong(where, value)
    if not least <= value <= most:
        raise BadData(f"results file: {where} = {value:g} is not possible ({least:g} to {most:g})")
    return float(value)


def _optional(line: dict[str, Any], key: str, where: str, least: float, most: float) -> float | None:
    value = line.get(key)
    return None if value is None else _number(value, f"{where}.{key}", least, most)


def _text(value: Any, where: str, most: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most or not value.isprintable():
        _wrong(where, value)
    return str(value).strip()


def _strings(value: Any, where: str) -> dict[str, str]:
    found = _object(value, where)
    if len(found) > 20:
        _wrong(where, "too many entries")
    return {_text(key, where, 40): _text(str(item), f"{where}.{key[:20]}", 200) for key, item in found.items()}


def _hash(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        _wrong(where, value)
    return str(value)


def _time(value: Any, where: str) -> str:
    try:
        return dt.datetime.fromisoformat(value).isoformat() if isinstance(value, str) else _wrong(where, value)
    except ValueError:
        _wrong(where, value)


def _config(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > 100:
        _wrong(where, value)
    try:
        return parse_id(value).id
    except SweepError as error:
        raise BadData(f"results file: {where}: {error}") from None


def _wrong(where: str, value: Any) -> NoReturn:
    raise BadData(f"results file: {where} is not as it should be: {str(value)[:60]!r}")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number a measurement has")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is there twice")
    return out
