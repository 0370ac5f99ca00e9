"""What the softmax written out in ONNX files gains: ONNX Runtime with ``Softmax`` against without, at Full HD.

    python benchmarks/onnx_softmax.py [--quick]

Sessions of both graphs run in turns on the same frame; the ratio is that of their medians.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any
from unittest.mock import patch

import onnxruntime
from _record import record

from search_space import parse_id
from workers.benchmark import FULLHD14
from workers.benchmark.clock import stopwatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.session import usable_cores
from workers.benchmark.subject import build, frames_in
from workers.export import graphs

CONFIGS = (
    "eSR-TM_s2_K5_C4", "eSR-TM_s2_K5_C16", "eSR-TM_s3_K3_C3", "eSR-TM_s4_K5_C8", "eSR-TR_s2_K5_C4", "eSR-TR_s3_K3_C8",
    "eSR-TR_s4_K7_C16", "eSR-CNN_s2_C4_D3_S6", "eSR-CNN_s3_C2_D3_S6", "eSR-CNN_s4_C8_D9_S15",
)  # fmt: skip


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Median milliseconds of both graphs, taken in turns, and the largest difference of their outputs."""
    config, watch = parse_id(name), stopwatch("cpu")
    network, x = build(config, False), frames_in(FULLHD14, config.scale).numpy()
    written_out = session(graphs.to_onnx(network))
    with patch.object(graphs, "with_softmax_written_out", lambda model: None):
        softmax = session(graphs.to_onnx(network))
    forms = {"softmax": softmax, "written_out": written_out}
    outputs = {form: one.run(None, {"x": x})[0] for form, one in forms.items()}
    times = {form: list[float]() for form in forms}
    for _ in range(rounds):
        for form, one in forms.items():
            times[form].append(watch(lambda one=one: one.run(None, {"x": x})))
    seconds = {form: median(values) for form, values in times.items()}
    return {
        "config": name,
        **{f"{form}_ms": round(1000 * value, 2) for form, value in seconds.items()},
        "speedup": round(seconds["softmax"] / seconds["written_out"], 2),
        "max_difference": float(abs(outputs["softmax"] - outputs["written_out"]).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with whole_machine():
        rows = [measure(name, 3 if quick else 7) for name in (CONFIGS[:2] if quick else CONFIGS)]
    measurements = {
        "output": [FULLHD14.width, FULLHD14.height],
        "threads": usable_cores(),
        "median_speedup": median(row["speedup"] for row in rows),
        "worst_speedup": min(row["speedup"] for row in rows),
        "best_speedup": max(row["speedup"] for row in rows),
        "largest_difference": max(row["max_difference"] for row in rows),
        "rows": rows,
    }
    for row in rows:
        print(row)
    if not quick:
        print(record("onnx_softmax", measurements, ("torch", "onnxruntime")))


if __name__ == "__main__":
    main()
