"""Measure the networks of a kit on a board: ``python kit.zip --out results.json``.

Needs Python 3.10 or newer, numpy and onnxruntime; no torch, no database, no network. This file is the kit's
``__main__``; beside it lie the manifest, the ONNX files and the few modules it imports. Nothing is unpacked:
every file is read from the archive and compared with its SHA-256 before it is used.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from workers.kit.archive import Kit
from workers.kit.document import RESULTS_FORMAT, Refused, key_of, plain, require_place, resume, save
from workers.sensors import find_sensors
from workers.timing.disturbance import Window
from workers.timing.energy import idle_power, run_power
from workers.timing.float32 import exact_options, why_not_float32
from workers.timing.process_memory import ProcessPeak
from workers.timing.sensor_summary import missing, reasons, sensed
from workers.timing.statistics import is_steady
from workers.timing.turns import (
    BLOCK,
    Reference,
    ReferenceFailed,
    Stopped,
    take_turns,
    visited,
    watched,
)

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
MOST_THREADS = 1024


class Network:
    """A model in a session of its own, warm."""

    def __init__(
        self, model: bytes, entry: dict[str, Any], protocol: dict[str, Any], provider: str, threads: int
    ) -> None:
        import numpy as np
        import onnxruntime

        memory = ProcessPeak()
        memory.start()
        scale = int(entry["scale"])
        rows, columns = -(-int(protocol["height"]) // scale), -(-int(protocol["width"]) // scale)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        name = PROVIDERS[provider]
        if reason := why_not_float32(name, entry["precision"]):
            raise Refused(reason)
        session = onnxruntime.InferenceSession(model, options, providers=[(name, exact_options(name))])
        if session.get_providers()[0] != name:
            raise Refused(f"this onnxruntime cannot use {provider}: it fell back to {session.get_providers()[0]}")
        values = np.random.default_rng(scale).random((int(protocol["batch"]), 1, rows, columns), dtype=np.float32)
        device = "cpu" if provider == "cpu" else "cuda"
        binding = session.io_binding()
        x = onnxruntime.OrtValue.ortvalue_from_numpy(values, device, 0)
        binding.bind_ortvalue_input("x", x)
        binding.bind_output("y", device, 0)
        # The input must live as long as the binding that points at it.
        self.frame: Callable[[], Any] = lambda x=x: session.run_with_iobinding(binding)  # type: ignore[misc]
        self.cpu: list[float] = []
        first, times = self.time(self.frame), list[float]()
        end = time.perf_counter() + float(protocol["warm_seconds"])
        while not is_steady(times) and len(times) < int(protocol["warm_frames"]) and time.perf_counter() < end:
            times.append(self.time(self.frame))
        self.warm, self.steady = [first, *times], is_steady(times)
        self.memory_mib, self.no_memory = memory.stop(), memory.why
        if provider != "cpu":
            # The memory of the process is not that of the network.
            self.memory_mib, self.no_memory = None, "the GPU memory of this network cannot be read"
        shape = binding.get_outputs()[0].shape()
        if list(shape) != [values.shape[0], 1, rows * scale, columns * scale]:
            raise Refused(f"{entry['file']} gives an output of {shape}")

    @staticmethod
    def time(frame: Any) -> float:
        """Seconds of one frame; ``run_with_iobinding`` returns when it is finished."""
        start = time.perf_counter()
        frame()
        return time.perf_counter() - start

    def run(self) -> int:
        """One frame to its end; how many that were."""
        self.frame()
        return 1

    def visit(self, frames: int) -> tuple[float, ...]:
        """One frame untimed, then at least ``frames`` timed."""
        self.time(self.frame)
        cpu, wall = time.process_time(), time.perf_counter()
        times: list[float] = []
        while not visited(times, frames):
            times.append(self.time(self.frame))
        self.cpu.append((time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9))
        return tuple(times)


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

    def stop(self) -> Window:
        """What happened since it was made."""
        wall, own, busy, stolen = (b - a for a, b in zip(self.start, self.read(), strict=True))
        return Window(wall, own, max(0.0, busy - own), max(0.0, stolen), os.cpu_count() or 1)


Line = dict[str, Any]


def load(kit: Kit, entries: list[Line], args: Any) -> tuple[list[tuple[Line, Network]], list[Line]]:
    """The networks that run here with their entries, and a line for the results file for each that does not.

    A network that the runtime cannot run does not stop the others; a damaged one refuses the whole kit.
    """
    ready, failed = [], []
    for entry in entries:
        model = kit.model(entry)
        try:
            ready.append((entry, Network(model, entry, kit.manifest["protocol"], args.provider, args.threads)))
        except Exception as error:
            failed.append(unable(entry, error))
    return ready, failed


def measure(
    kit: Kit, entries: list[Line], reference: Reference, args: Any, idle_w: float | None
) -> tuple[list[Line], list[Line]]:
    """One group, its networks in turn; the finished lines of the results file, and those of networks that failed."""
    protocol = kit.manifest["protocol"]
    ready, failed = load(kit, entries, args)
    while ready:
        try:
            return measure_ready(ready, protocol, reference, args, idle_w), failed
        except Stopped as stopped:
            # For example out of memory: the others are measured again.
            failed.append(unable(ready.pop(stopped.place)[0], stopped.error))
    return [], failed


def measure_ready(
    ready: list[tuple[Line, Network]], protocol: Line, reference: Reference, args: Any, idle_w: float | None
) -> list[Line]:
    """A line for each network. Raises Stopped when one fails."""
    sensors = args.sensors
    turns = [partial(network.visit, int(protocol["frames"])) for _, network in ready]
    choices = take_turns(turns, int(protocol["rounds"]), reference, CpuTimes, sensors.read)
    out = []
    for place, ((entry, network), choice) in enumerate(zip(ready, choices, strict=True)):
        energy = None
        if idle_w is not None:
            with watched(place):
                energy = run_power(network.run, sensors, idle_w)
        seen = sensed(choice.kept)
        values = {
            "power_w": energy.power_w if energy else None,
            "energy_j": energy.energy_j / int(protocol["batch"]) if energy and energy.energy_j is not None else None,
            "memory_mib": network.memory_mib,
            "temperature_c": seen.temperature_c,
            "clock_mhz": seen.clock_mhz,
            "throttled": None if seen.throttled is None else list(seen.throttled),
        }
        why = missing(values, reasons(sensors, energy, network.no_memory))
        out.append(
            {
                "config": entry["config"],
                "precision": entry["precision"],
                "sha256": entry["sha256"],
                "seconds": [round(t, 9) for one in choice.kept for t in one.seconds],
                "relative": median(one.relative for one in choice.kept),
                "reference_seconds": median(one.reference for one in choice.kept),
                "warm_frames": len(network.warm),
                "steady": network.steady,
                "disturbed": not choice.enough,
                "disturbances": sorted(set(choice.disturbed))[:3],
                "cpu_percent": min(100.0, 100 * median(network.cpu) / (os.cpu_count() or 1)),
                **values,
                "missing": {name: plain(text, 600) for name, text in why.items()},
                "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            }
        )
    return out


def unable(entry: Line, error: Exception) -> Line:
    """The line for a network that does not run here."""
    reason = plain(str(error) or type(error).__name__, 300)
    return {**{key: entry[key] for key in ("config", "precision", "sha256")}, "reason": reason}


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when every model that was asked for is measured, 1 when some failed, 2 when refused."""
    try:
        return run(parse(arguments))
    except (Refused, ReferenceFailed) as error:
        print(f"kit: {error}", file=sys.stderr)
        return 2


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python kit.zip", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", default="results.json", help="results; the same command again does what is missing")
    parser.add_argument("--device", help="name to store results under; default this host's, -gpu added on a GPU")
    parser.add_argument("--threads", type=int, help="CPU threads, and -tN in the protocol's name; default every core")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="cpu")
    parser.add_argument("--disturbed", action="store_true", help="measure again what was disturbed in --out")
    parser.add_argument("--limit", type=int, help="stop after this many models")
    return parser.parse_args(arguments)


def start(kit: Kit, args: Any) -> dict[str, Any]:
    """A results file without results; the threads and the name that were not given are filled in."""
    try:
        import numpy
        import onnxruntime
    except ImportError as error:
        raise Refused(f"{error.name} is missing: pip install numpy onnxruntime") from None
    protocol = dict(kit.manifest["protocol"])
    if args.threads is None:
        args.threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    elif 1 <= args.threads <= MOST_THREADS:
        # As ``sweep benchmark --threads`` names it: results of another number of threads are kept apart.
        protocol["name"] = f"{protocol['name']}-t{args.threads}"
    else:
        raise Refused(f"{args.threads} threads cannot be used (1 to {MOST_THREADS})")
    return {
        "format": RESULTS_FORMAT,
        "kit": kit.digest,
        "device": args.device or (platform.node() or "board") + ("" if args.provider == "cpu" else "-gpu"),
        "provider": args.provider,
        "threads": args.threads,
        "protocol": protocol,
        "reference": kit.manifest["reference"]["config"],
        "machine": {"system": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "results": [],
        "failed": [],
    }


def run(args: Any) -> int:
    """Measure what is missing and write after each group."""
    if args.limit is not None and args.limit < 1:
        raise Refused(f"--limit {args.limit} would measure nothing (1 or more)")
    kit, out = Kit(Path(os.environ.get("EDGE_SWEEP_KIT") or sys.argv[0])), Path(args.out)
    require_place(out)
    document, models = resume(out, start(kit, args)), kit.manifest["models"]
    done = {key_of(one) for one in document["results"] if not (args.disturbed and one.get("disturbed"))}
    failed = set(map(key_of, document["failed"]))
    # Models that failed before come last, so that --limit reaches the others.
    missing = sorted((one for one in models if key_of(one) not in done), key=lambda one: key_of(one) in failed)
    todo = missing[: args.limit]
    print(f"{len(todo)} of {len(models)} models to measure on {document['device']}", flush=True)
    if todo:
        args.sensors = find_sensors("cpu" if args.provider == "cpu" else "cuda")
        ready, failures = load(kit, [kit.manifest["reference"]], args)
        if failures:
            raise Refused(f"the reference {failures[0]['config']} cannot run here: {failures[0]['reason']}")
        idle_w = idle_power(args.sensors)
        reference = Reference(partial(ready[0][1].visit, int(kit.manifest["protocol"]["frames"])))
        reference.learn()
    for first in range(0, len(todo), BLOCK):
        group = todo[first : first + BLOCK]
        lines, failures = measure(kit, group, reference, args, idle_w)
        tried, measured = set(map(key_of, group)), set(map(key_of, lines))
        document["results"] = [one for one in document["results"] if key_of(one) not in measured] + lines
        have = set(map(key_of, document["results"]))
        document["failed"] = [one for one in document["failed"] if key_of(one) not in tried]
        document["failed"] += [one for one in failures if key_of(one) not in have]
        save(document, out)
        for line in lines:
            mark = " (disturbed)" if line["disturbed"] else ""
            print(f"{line['config']}  {1 / median(line['seconds']):.2f} frames/s{mark}", flush=True)
        for one in failures:
            print(f"kit: {one['config']} ({one['precision']}) was not measured: {one['reason']}", file=sys.stderr)
    print(f"{len(document['results'])} of {len(models)} models are measured", flush=True)
    file = shlex.quote(str(out))
    print(f"results: {out} (on the other machine: sweep import-measurements {file} --db DATABASE)", flush=True)
    return 1 if document["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
