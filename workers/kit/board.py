"""Measure the networks of a kit on a board: ``python kit.zip --out results.json``.

Needs Python 3.10 or newer, numpy and onnxruntime; no torch, no database, no network. This file is the kit's
``__main__``; beside it lie the manifest, the ONNX files and the few modules it imports. Nothing is unpacked:
every file is read from the archive and compared with its SHA-256 before it is used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import sys
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

from workers.sensors import find_sensors
from workers.timing import is_steady
from workers.timing_energy import idle_power, run_power
from workers.timing_rounds import Choice, Round, Window, choose

RESULTS_FORMAT = "edge-sweep-measurements/1"
KIT_FORMAT = "edge-sweep-kit/1"
NAME = re.compile(r"models/[A-Za-z0-9][A-Za-z0-9+_.-]{0,120}\.onnx")
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
GROUP = 6


class Refused(Exception):
    """The kit or the board is not as it should be."""


class Kit:
    """The archive: its manifest, and models checked against it."""

    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)
        text = self.archive.read("manifest.json")
        self.digest = hashlib.sha256(text).hexdigest()
        self.manifest: dict[str, Any] = json.loads(text)
        if self.manifest.get("format") != KIT_FORMAT:
            raise Refused(f"{path} is not a kit this program can run")

    def model(self, entry: dict[str, Any]) -> bytes:
        """The bytes of a model; refused when its name or its hash is not as the manifest should say."""
        name = str(entry["file"])
        if not NAME.fullmatch(name):
            raise Refused(f"the manifest names a file that is no model: {name[:80]!r}")
        data = self.archive.read(name)
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise Refused(f"{name} is damaged: its SHA-256 is not the manifest's")
        return data


class Network:
    """A model in a session of its own, warm."""

    def __init__(self, kit: Kit, entry: dict[str, Any], provider: str, threads: int) -> None:
        import numpy as np
        import onnxruntime

        protocol = kit.manifest["protocol"]
        scale = int(entry["scale"])
        rows, columns = -(-int(protocol["height"]) // scale), -(-int(protocol["width"]) // scale)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(kit.model(entry), options, providers=[PROVIDERS[provider]])
        if session.get_providers()[0] != PROVIDERS[provider]:
            raise Refused(f"this onnxruntime cannot use {provider}: it fell back to {session.get_providers()[0]}")
        values = np.random.default_rng(scale).random((int(protocol["batch"]), 1, rows, columns), dtype=np.float32)
        device = "cpu" if provider == "cpu" else "cuda"
        binding = session.io_binding()
        x = onnxruntime.OrtValue.ortvalue_from_numpy(values, device, 0)
        binding.bind_ortvalue_input("x", x)
        binding.bind_output("y", device, 0)
        # The input must live as long as the binding that points at it.
        self.frame = lambda x=x: session.run_with_iobinding(binding)
        self.cpu: list[float] = []
        first, times = self.time(self.frame), list[float]()
        end = time.perf_counter() + float(protocol["warm_seconds"])
        while not is_steady(times) and len(times) < int(protocol["warm_frames"]) and time.perf_counter() < end:
            times.append(self.time(self.frame))
        self.warm, self.steady = [first, *times], is_steady(times)
        shape = binding.get_outputs()[0].shape()
        if list(shape) != [values.shape[0], 1, rows * scale, columns * scale]:
            raise Refused(f"{entry['file']} gives an output of {shape}")

    @staticmethod
    def time(frame: Any) -> float:
        """Seconds of one frame; ``run_with_iobinding`` returns when it is finished."""
        start = time.perf_counter()
        frame()
        return time.perf_counter() - start

    def visit(self, frames: int) -> tuple[float, ...]:
        """One frame untimed, then ``frames`` timed."""
        self.time(self.frame)
        cpu, wall = time.process_time(), time.perf_counter()
        times = tuple(self.time(self.frame) for _ in range(frames))
        self.cpu.append((time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9))
        return times


class CpuTimes:
    """Busy and stolen CPU seconds of the board from /proc/stat, and our own."""

    def __init__(self) -> None:
        self.start = self.read()

    @staticmethod
    def read() -> tuple[float, float, float, float]:
        """(wall, own, busy, stolen) in seconds; busy is own where /proc/stat is missing."""
        own = time.process_time()
        try:
            fields = [float(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        except (OSError, ValueError, IndexError):
            return time.perf_counter(), own, own, 0.0
        tick = os.sysconf("SC_CLK_TCK")
        user, nice, system, _idle, _wait, irq, soft, steal = (fields + [0.0] * 8)[:8]
        return time.perf_counter(), own, (user + nice + system + irq + soft) / tick, steal / tick

    def window(self) -> Window:
        """Since this object was made."""
        wall, own, busy, stolen = (b - a for a, b in zip(self.start, self.read(), strict=True))
        return Window(wall, own, max(0.0, busy - own), max(0.0, stolen), os.cpu_count() or 1)


def measure(kit: Kit, entries: list[dict[str, Any]], reference: Network, args: Any, idle_w: float | None) -> list[Any]:
    """One group in interleaved rounds; the finished lines of the results file."""
    protocol, sensors = kit.manifest["protocol"], args.sensors
    networks = [Network(kit, entry, args.provider, args.threads) for entry in entries]
    rounds: list[Round] = []
    choice = Choice((), (), False)
    while not choice.enough and len(rounds) < 2 * int(protocol["rounds"]):
        cpu, frames = CpuTimes(), int(protocol["frames"])
        first = reference.visit(frames)
        times = tuple(network.visit(frames) for network in networks)
        reading = sensors.read()
        last = reference.visit(frames)
        rounds.append(Round(median([*first, *last]), cpu.window(), reading, times))
        if len(rounds) >= int(protocol["rounds"]):
            choice = choose(rounds, int(protocol["rounds"]))
    out = []
    for place, (entry, network) in enumerate(zip(entries, networks, strict=True)):
        energy = None if idle_w is None else run_power(network.frame, network.time, sensors, idle_w)
        heat = [one.reading.temperature_c for one in choice.kept if one.reading.temperature_c is not None]
        clocks = [one.reading.clock_mhz for one in choice.kept if one.reading.clock_mhz is not None]
        out.append(
            {
                "config": entry["config"],
                "precision": entry["precision"],
                "sha256": entry["sha256"],
                "seconds": [round(t, 9) for one in choice.kept for t in one.times[place]],
                "relative": median(median(one.times[place]) / one.reference for one in choice.kept),
                "reference_seconds": median(one.reference for one in choice.kept),
                "warm_frames": len(network.warm),
                "steady": network.steady,
                "disturbed": not choice.enough,
                "disturbances": sorted(set(choice.disturbed))[:3],
                "temperature_c": max(heat, default=None),
                "clock_mhz": median(clocks) if clocks else None,
                "cpu_percent": min(100.0, 100 * median(network.cpu) / (os.cpu_count() or 1)),
                "power_w": energy.power_w if energy else None,
                "energy_j": energy.energy_j / int(protocol["batch"]) if energy else None,
                "why_no_power": None if energy else sensors.why_not("power")[:500],
                "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            }
        )
    return out


def canonical(document: dict[str, Any]) -> bytes:
    """What the digest of a results file is taken of: everything but the digest."""
    kept = {key: value for key, value in document.items() if key != "digest"}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def save(document: dict[str, Any], path: Path) -> None:
    """Whole or not at all, so that a board without power in the middle loses one group."""
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def resume(path: Path, kit: Kit, fresh: dict[str, Any]) -> dict[str, Any]:
    """The results so far, when they are of this kit, board and runtime; else refused."""
    if not path.exists():
        return fresh
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        raise Refused(f"{path} is no results file: give another --out") from None
    for key in ("format", "kit", "device", "provider", "threads"):
        if found.get(key) != fresh[key]:
            raise Refused(f"{path} was made with another {key} ({found.get(key)!r}): give another --out")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every model of the kit is measured, 2 when refused."""
    parser = argparse.ArgumentParser(prog="python kit.zip", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", default="results.json", help="results; the same command again does what is missing")
    parser.add_argument("--device", default=platform.node() or "board", help="name to store the figures under")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default every core")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="cpu")
    parser.add_argument("--limit", type=int, default=None, help="stop after this many models")
    args = parser.parse_args(arguments)
    if args.threads < 1:
        args.threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return run(args)
    except Refused as error:
        print(f"kit: {error}", file=sys.stderr)
        return 2


def run(args: Any) -> int:
    """Measure what is missing and write after each group."""
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        raise Refused(f"{error.name} is missing: pip install numpy onnxruntime") from None
    kit = Kit(Path(os.environ.get("EDGE_SWEEP_KIT") or sys.argv[0]))
    out, manifest = Path(args.out), kit.manifest
    fresh: dict[str, Any] = {
        "format": RESULTS_FORMAT,
        "kit": kit.digest,
        "device": args.device,
        "provider": args.provider,
        "threads": args.threads,
        "protocol": manifest["protocol"],
        "reference": manifest["reference"]["config"],
        "machine": {"system": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "results": [],
    }
    document = resume(out, kit, fresh)
    done = {(one["config"], one["precision"]) for one in document["results"]}
    todo = [one for one in manifest["models"] if (one["config"], one["precision"]) not in done][: args.limit]
    print(f"{len(todo)} of {len(manifest['models'])} models to measure on {args.device}", flush=True)
    if todo:
        args.sensors = find_sensors("cpu")
        idle_w = idle_power(args.sensors)
        reference = Network(kit, manifest["reference"], args.provider, args.threads)
    for start in range(0, len(todo), GROUP):
        lines = measure(kit, todo[start : start + GROUP], reference, args, idle_w)
        document["results"] += lines
        save(document, out)
        for line in lines:
            mark = " (disturbed)" if line["disturbed"] else ""
            print(f"{line['config']}  {1 / median(line['seconds']):.2f} frames/s{mark}", flush=True)
    print(f"results: {out} (on the other machine: sweep import-measurements {out})", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
