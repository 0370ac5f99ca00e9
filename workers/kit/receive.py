"""Read a results file from a board, which may come from a stranger: every value is checked before it is a fact."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from search_space.errors import BadData
from search_space.facts import Speed
from workers.benchmark.measurements import with_ties
from workers.benchmark.protocols import MAX_SIDE, PROTOCOLS
from workers.kit.archive import KIT_FORMAT
from workers.kit.board import PROVIDERS
from workers.kit.document import RESULTS_FORMAT, canonical, key_of
from workers.kit.values import (
    a_config,
    a_flag,
    a_hash,
    a_list,
    a_number,
    a_precision,
    a_text,
    a_time,
    an_object,
    maybe,
    texts,
    wrong,
)
from workers.timing.sensor_summary import SENSED, missing
from workers.timing.statistics import summarise

MAX_BYTES = 32 * 2**20
MAX_RESULTS = 20_000
BACKENDS = {"cpu": "onnxruntime", "cuda": "onnxruntime", "tensorrt": "tensorrt"}
"""The names under which ``sweep benchmark`` measures the same thing."""


@dataclass(frozen=True)
class NotMeasured:
    """A model that the board could not run."""

    config: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Received:
    """What a results file holds."""

    speeds: tuple[Speed, ...]
    failed: tuple[NotMeasured, ...]


def read_results(path: Path, device: str | None = None, kit: Path | None = None) -> Received:
    """The measurements of a results file as Speed facts, under ``device`` or the name the file gives, and what failed.

    With ``kit``, the models must be those of that kit (by manifest and SHA-256). Raises BadData with the
    place and the value that is wrong; nothing of a bad file is taken.
    """
    document = an_object(_load(path), "the file")
    if document.get("format") != RESULTS_FORMAT:
        raise BadData(f"{path} is not a results file of a kit (format {str(document.get('format'))[:40]!r})")
    try:
        digest = hashlib.sha256(canonical(document)).hexdigest()
    except (TypeError, ValueError, RecursionError):
        raise BadData(f"{path} holds values that no results file has") from None
    if document.get("digest") != digest:
        raise BadData(f"{path} was changed or cut after it was written (its digest does not match)")
    name = a_text(device if device is not None else document.get("device"), "device", 100)
    provider = document.get("provider")
    if not isinstance(provider, str) or provider not in PROVIDERS:
        wrong("provider", provider)
    threads = int(a_number(document.get("threads"), "threads", 1, 4096))
    protocol = _protocol(document.get("protocol"), threads)
    lines = a_list(document.get("results"), "results", MAX_RESULTS)
    unable = a_list(document.get("failed", []), "failed", MAX_RESULTS)
    shared = {
        "kit": a_hash(document.get("kit"), "kit"),
        "threads": threads,
        "reference": a_config(document.get("reference"), "reference"),
        "machine": texts(document.get("machine"), "machine"),
        "versions": texts(document.get("versions"), "versions"),
        "compute": provider,
        "output": [protocol["width"], protocol["height"]],
        "batch": protocol["batch"],
    }
    speeds = [_speed(line, f"results[{i}]", name, BACKENDS[provider], protocol, shared) for i, line in enumerate(lines)]
    failed = [_failure(line, f"failed[{i}]") for i, line in enumerate(unable)]
    measured = [(one.config, one.precision) for one in speeds]
    _refuse_repeats([*measured, *((one.config, one.precision) for one in failed)], path)
    if kit is not None:
        _require_kit(document, kit)
    if not speeds:
        raise BadData(f"{path} holds no results" + (f": {failed[0].config}: {failed[0].reason}" if failed else ""))
    by_precision = dict.fromkeys(one.precision for one in speeds)
    tied = [one for p in by_precision for one in with_ties([s for s in speeds if s.precision == p])]
    return Received(tuple(tied), tuple(failed))


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
    line = an_object(line, where)
    times = a_list(line.get("seconds"), f"{where}.seconds", 10_000)
    if not times:
        wrong(f"{where}.seconds", "no times")
    summary = summarise([a_number(t, f"{where}.seconds", 1e-7, 3600) for t in times])
    # No run takes 0 W, 0 J or 0 MiB, so an unknown value must not be given as 0.
    values: dict[str, Any] = {
        "power_w": maybe(line, "power_w", where, 0.001, 100_000),
        "energy_j": maybe(line, "energy_j", where, 1e-12, 1e6),
        "memory_mib": maybe(line, "memory_mib", where, 1e-4, 1e8),
        "temperature_c": maybe(line, "temperature_c", where, -60, 200),
    }
    if values["energy_j"] is not None and values["power_w"] is None:
        raise BadData(f"results file: {where} has energy_j without the power_w it comes from")
    throttled = line.get("throttled")
    held = {
        "clock_mhz": maybe(line, "clock_mhz", where, 1, 100_000),
        "throttled": None if throttled is None else _reasons(throttled, f"{where}.throttled"),
    }
    return Speed(
        config=a_config(line.get("config"), f"{where}.config"),
        device=device,
        backend=backend,
        precision=a_precision(line.get("precision"), f"{where}.precision"),
        protocol=protocol["name"],
        fps=protocol["batch"] / summary.median,
        seconds_median=summary.median,
        seconds_iqr=summary.iqr,
        seconds_min=summary.least,
        runs=summary.n,
        cpu_percent=maybe(line, "cpu_percent", where, 0, 100),
        detail={
            **shared,
            "sha256": a_hash(line.get("sha256"), f"{where}.sha256"),
            "relative": a_number(line.get("relative"), f"{where}.relative", 1e-6, 1e6),
            "reference_seconds": a_number(line.get("reference_seconds"), f"{where}.reference_seconds", 1e-7, 3600),
            "warm_frames": int(a_number(line.get("warm_frames"), f"{where}.warm_frames", 1, 1e6)),
            "steady": a_flag(line.get("steady"), f"{where}.steady"),
            "disturbed": a_flag(line.get("disturbed"), f"{where}.disturbed"),
            "disturbances": _reasons(line.get("disturbances"), f"{where}.disturbances"),
            "measured_at": a_time(line.get("measured_at"), f"{where}.measured_at"),
            **held,
            "missing": missing({**values, **held}, _why(line.get("missing", {}), f"{where}.missing")),
        },
        **values,
    )


def _failure(line: Any, where: str) -> NotMeasured:
    line = an_object(line, where)
    a_hash(line.get("sha256"), f"{where}.sha256")
    return NotMeasured(
        a_config(line.get("config"), f"{where}.config"),
        a_precision(line.get("precision"), f"{where}.precision"),
        a_text(line.get("reason"), f"{where}.reason", 300),
    )


def _reasons(value: Any, where: str) -> list[str]:
    return [a_text(one, where, 300) for one in a_list(value, where, 10)]


def _why(value: Any, where: str) -> dict[str, str]:
    """A reason for each value that may be missing; an older kit gave few."""
    given = an_object(value, where)
    reasons = {name: a_text(given[name], f"{where}.{name}", 600) for name in SENSED if name in given}
    return {name: reasons.get(name, "the results file gives no reason") for name in SENSED}


def _protocol(value: Any, threads: int) -> dict[str, Any]:
    """Name and sizes; a name must mean the same as in ``sweep benchmark``."""
    values = an_object(value, "protocol")
    name = values.get("name")
    if not isinstance(name, str):
        wrong("protocol.name", name)
    out: dict[str, Any] = {"name": name}
    for key, most in (("width", MAX_SIDE), ("height", MAX_SIDE), ("batch", 256), ("rounds", 1000), ("frames", 1000)):
        out[key] = int(a_number(values.get(key), f"protocol.{key}", 1, most))
    sizes = {key: out[key] for key in ("width", "height", "rounds", "frames")}
    names = [one.name for one in PROTOCOLS.values() if all(getattr(one, key) == sizes[key] for key in sizes)]
    names.append(f"{out['width']}x{out['height']}x{out['rounds'] * out['frames']}")
    batch = f"-b{out['batch']}" if out["batch"] > 1 else ""
    allowed = {f"{one}{batch}{suffix}" for one in names for suffix in ("", f"-t{threads}")}
    if name not in allowed:
        raise BadData(
            f"the file says protocol {name[:60]!r}, but that name has other sizes, rounds or threads here "
            f"(with those of the file it is {' or '.join(sorted(allowed))})"
        )
    return out


def _refuse_repeats(keys: list[tuple[str, str]], path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    for key in keys:
        if key in seen:
            raise BadData(f"{key[0]} ({key[1]}) is in {path} twice")
        seen.add(key)


def _require_kit(document: dict[str, Any], kit: Path) -> None:
    """Of a document whose values are checked."""
    try:
        with zipfile.ZipFile(kit) as archive:
            if archive.getinfo("manifest.json").file_size > MAX_BYTES:
                raise BadData(f"{kit} has a manifest that is too large")
            text = archive.read("manifest.json")
        manifest = json.loads(text)
        hashes = {key_of(one): one["sha256"] for one in manifest["models"]}
    except (OSError, KeyError, TypeError, ValueError, RecursionError, zipfile.BadZipFile):
        raise BadData(f"{kit} is not a kit") from None
    if manifest.get("format") != KIT_FORMAT or document["kit"] != hashlib.sha256(text).hexdigest():
        raise BadData(f"these results were not made with the kit {kit}")
    for line in (*document["results"], *document.get("failed", [])):
        if hashes.get(key_of(line)) != line["sha256"]:
            raise BadData(f"{str(key_of(line))[:80]} is not a model of the kit {kit}")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number a measurement has")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key is there twice")
    return out
