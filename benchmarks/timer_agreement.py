"""Our timer against two others: ``torch.utils.benchmark`` for eager, ONNX Runtime's own profiler for its sessions.

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
from workers.backends import find
from workers.benchmark.clock import stopwatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.session import usable_cores
from workers.benchmark.subject import build, frames_in, prepare
from workers.export.exporting import onnx_for

CONFIGS = (
    "Bicubic_s2", "eSR-MAX_s2_K5_C8", "eSR-TM_s2_K5_C4", "eSR-TR_s3_K3_C4", "eSR-CNN_s2_C4_D5_S9",
    "ESPCN_s2_D22_S32", "FSRCNN_s3_D32_S6_M4", "ESPCN_s4_D4_S12",
)  # fmt: skip
BLOCKS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    names = CONFIGS[:3] if quick else CONFIGS
    frames = 3 if quick else 6
    torch.set_num_threads(usable_cores())
    neighbours = Neighbours()
    with whole_machine():
        rows = [eager(name, frames) for name in names] + [profiled(name, frames) for name in names]
    figures = {
        "worst_difference": max(row["difference"] for row in rows),
        "median_difference": median(row["difference"] for row in rows),
        "worst_difference_in_turn": max(row.get("difference_in_turn", 0.0) for row in rows),
        "frames": BLOCKS * frames,
        **protocol_facts(SMALL),
        **neighbours.facts(),
        "rows": rows,
    }
    if not quick:
        print(record("timer_agreement", figures, ("torch", "onnxruntime", "numpy")))
    for row in rows:
        print(row)
    print("worst", figures["worst_difference"])


def eager(name: str, frames: int) -> dict[str, Any]:
    """Our stopwatch against torch's timer: around the very same calls, and on calls of their own in turn."""
    watch = stopwatch("cpu")
    frame = prepare(parse_id(name), SMALL, find("eager"), "fp32", "cpu", usable_cores())
    ours: list[float] = []
    alone: list[float] = []
    # Both clocks around the same calls, so that nothing a neighbour does comes between them ...
    both = Timer(
        "ours.append(watch(frame))",
        globals={"frame": frame, "watch": watch, "ours": ours},
        num_threads=usable_cores(),
    )
    theirs = [both.timeit(1).median for _ in range(BLOCKS * frames)]
    # timeit runs its statement twice untimed before the one that counts.
    ours = ours[2::3]
    # ... and calls of their own, in turn: this one needs a quiet machine.
    timer = Timer("frame()", globals={"frame": frame}, num_threads=usable_cores())
    apart = []
    for _ in range(BLOCKS * frames):
        alone.append(watch(frame))
        apart.append(timer.timeit(1).median)
    in_turn = round(abs(median(alone) / median(apart) - 1), 5)
    return {**_row(name, "torch.utils.benchmark", ours, theirs), "difference_in_turn": in_turn}


def profiled(name: str, frames: int) -> dict[str, Any]:
    """Our time of a call of a session against the time the session's own profiler writes down for it."""
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
        ours = [watch(lambda: session.run(None, x)) for _ in range(BLOCKS * frames)]
        events = json.loads(Path(session.end_profiling()).read_text())
    theirs = [event["dur"] / 1e6 for event in events if event["name"] == "model_run"][5:]
    return _row(name, "onnxruntime profiler", ours, theirs)


def _row(name: str, other: str, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    a, b = median(ours), median(theirs)
    return {"config": name, "other": other, "ours_s": a, "other_s": b, "difference": round(abs(a / b - 1), 5)}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    main()
