"""Our timer against two others: ``torch.utils.benchmark`` for eager, ONNX Runtime's own profiler for its sessions.

Each times calls of its own, in turn in one process (ours, other, other, ours), after as many untimed ones; told is the
median over such fours of our two times over the other's two. A slow spell of the machine meets both, and so do the two
sets of buffers that the allocator may give to every other call. How the clocks agree on the very same calls stands
beside it: one lies inside the other there, so it shows little.

python benchmarks/timer_agreement.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _bench import SMALL, Neighbours, protocol_facts
from _record import record
from torch.utils.benchmark import Timer

from search_space import parse_id
from workers.backends import Frame, find
from workers.benchmark.clock import Stopwatch, stopwatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.session import usable_cores
from workers.benchmark.subject import build, frames_in, prepare
from workers.export.exporting import onnx_for
from workers.timing.malloc import keep_freed_memory

CONFIGS = (
    "Bicubic_s2", "eSR-MAX_s2_K5_C8", "eSR-TM_s2_K5_C4", "eSR-TR_s3_K3_C4", "eSR-CNN_s2_C4_D5_S9",
    "ESPCN_s2_D22_S32", "FSRCNN_s3_D32_S6_M4", "ESPCN_s4_D4_S12",
)  # fmt: skip
FRAMES, QUICK_FRAMES = 200, 10
WARM = 2
"""Untimed calls before each timed one: as many as torch's ``timeit(1)`` makes."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    names = CONFIGS[:3] if quick else CONFIGS
    frames = QUICK_FRAMES if quick else FRAMES
    # As ``sweep benchmark`` does: otherwise page faults are timed, and those vary from call to call.
    keep_freed_memory()
    torch.set_num_threads(usable_cores())
    neighbours = Neighbours()
    with whole_machine():
        rows = [eager(name, frames) for name in names] + [profiled(name, frames) for name in names]
    measurements = {
        "worst_difference": max(row["difference"] for row in rows),
        "median_difference": median(row["difference"] for row in rows),
        "worst_difference_same_calls": max(row["difference_same_calls"] for row in rows),
        "frames": frames,
        **protocol_facts(SMALL),
        **neighbours.facts(),
        "rows": rows,
    }
    if not quick:
        print(record("timer_agreement", measurements, ("torch", "onnxruntime", "numpy")))
    for row in rows:
        print(row)
    print("worst", measurements["worst_difference"])


def eager(name: str, frames: int) -> dict[str, Any]:
    """Our stopwatch against torch's timer, in turn, each on calls of its own after as many untimed ones."""
    watch = stopwatch("cpu")
    frame = prepare(parse_id(name), SMALL, find("eager"), "fp32", "cpu", usable_cores())
    timer = Timer("frame()", globals={"frame": frame}, num_threads=usable_cores())
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(frames):
        if turn % 2:
            theirs.append(timer.timeit(1).median)
        for _ in range(WARM):
            watch(frame)
        ours.append(watch(frame))
        if not turn % 2:
            theirs.append(timer.timeit(1).median)
    return _row(name, "torch.utils.benchmark", ours, theirs, _nested(frame, watch, frames))


def _nested(frame: Frame, watch: Stopwatch, frames: int) -> float:
    """Both clocks around the very same calls: shows that the clocks agree, not that the two ways of measuring do."""
    inner: list[float] = []
    both = Timer(
        "inner.append(watch(frame))",
        globals={"frame": frame, "watch": watch, "inner": inner},
        num_threads=usable_cores(),
    )
    outer = [both.timeit(1).median for _ in range(frames)]
    return _difference(inner[WARM :: WARM + 1], outer)


def profiled(name: str, frames: int) -> dict[str, Any]:
    """Our time of calls of a session against what the session's own profiler writes down for the calls in between."""
    import onnxruntime

    config = parse_id(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        data = onnx_for(config, build(config), "fp32", [])
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        x = {"x": frames_in(SMALL, config.scale).numpy()}
        watch = stopwatch("cpu")
        for _ in range(5):
            session.run(None, x)
        ours = [watch(lambda: session.run(None, x)) for _ in range(2 * frames)]
        events = json.loads(Path(session.end_profiling()).read_text())
    theirs = [event["dur"] / 1e6 for event in events if event["name"] == "model_run"][5:]
    return _row(name, "onnxruntime profiler", ours[::2], theirs[1::2], _difference(ours, theirs))


def _row(name: str, other: str, ours: list[float], theirs: list[float], same_calls: float) -> dict[str, Any]:
    """``difference`` is of separate calls, taken in turn: the one that counts."""
    return {
        "config": name,
        "other": other,
        "ours_s": median(ours),
        "other_s": median(theirs),
        "difference": round(abs(median(_fours(ours, theirs)) - 1), 5),
        "difference_of_medians": _difference(ours, theirs),
        "difference_same_calls": same_calls,
    }


def _fours(ours: list[float], theirs: list[float]) -> list[float]:
    """Two of ours over two of theirs, from two turns each."""
    pairs = list(zip(ours, theirs, strict=True))
    return [(a + c) / (b + d) for (a, b), (c, d) in zip(pairs[::2], pairs[1::2], strict=True)]


def _difference(ours: list[float], theirs: list[float]) -> float:
    return round(abs(median(ours) / median(theirs) - 1), 5)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    main()
