"""What the exact rewrites for deployment gain: plain against deployed, at Full HD, in interleaved rounds.

python benchmarks/deploy_forms.py [--quick]
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import Any

import torch
from _bench import Neighbours
from _record import record

from search_space import parse_id
from workers.backends import Job, find
from workers.benchmark import FULLHD14
from workers.benchmark.clock import stopwatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.session import usable_cores
from workers.benchmark.subject import build, frames_in
from workers.timing.malloc import keep_freed_memory

CONFIGS = (
    "Bicubic_s2", "Bicubic_s4", "eSR-MAX_s2_K3_C4", "eSR-MAX_s4_K5_C8", "eSR-TM_s2_K3_C1", "eSR-TM_s2_K5_C2",
    "eSR-TM_s2_K5_C4", "eSR-TM_s4_K3_C8", "eSR-TR_s2_K3_C1", "eSR-TR_s2_K5_C4", "eSR-TR_s3_K3_C8",
    "eSR-CNN_s2_C4_D5_S9", "eSR-CNN_s3_C2_D3_S6", "FSRCNN_s2_D6_S3_M1", "FSRCNN_s3_D32_S6_M4", "FSRCNN_s4_D6_S3_M1",
    "ECBSR_s2_D8_M2",
)  # fmt: skip
FORMS = {"plain": (True, False), "deployed": (False, False), "deployed_channels_last": (False, True)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    # As ``sweep benchmark`` does: otherwise page faults are timed, not the forms.
    keep_freed_memory()
    torch.set_num_threads(usable_cores())
    neighbours = Neighbours()
    with whole_machine():
        rows = [measure(name, 3 if quick else 7) for name in (CONFIGS[::4] if quick else CONFIGS)]
    measurements = {
        "output": [FULLHD14.width, FULLHD14.height],
        "threads": usable_cores(),
        "median_speedup": round(median(row["speedup"] for row in rows), 3),
        "best_speedup": max(row["speedup"] for row in rows),
        "worst_speedup": min(row["speedup"] for row in rows),
        "largest_difference": max(row["max_difference"] for row in rows),
        **neighbours.facts(),
        "rows": rows,
    }
    if not quick:
        print(record("deploy_forms", measurements, ("torch", "numpy")))
    print(measurements["median_speedup"], measurements["largest_difference"])


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Median seconds of each form, taken in turn; the largest difference of their outputs."""
    config, watch = parse_id(name), stopwatch("cpu")
    x = frames_in(FULLHD14, config.scale)
    frames, outputs, times = {}, {}, {form: list[float]() for form in FORMS}
    for form, (plain, last) in FORMS.items():
        job = Job(name, build(config, plain), config.scale, x, "fp32", "cpu", usable_cores(), last)
        frames[form] = find("eager").prepare(job)
        outputs[form] = frames[form]()
    difference = max(float((outputs[form] - outputs["plain"]).abs().max()) for form in FORMS)
    for _ in range(rounds):
        for form, frame in frames.items():
            watch(frame)
            times[form].append(watch(frame))
    seconds = {form: median(values) for form, values in times.items()}
    row = {
        "config": name,
        **{f"{form}_ms": round(1000 * value, 2) for form, value in seconds.items()},
        "speedup": round(seconds["plain"] / seconds["deployed"], 3),
        "speedup_channels_last": round(seconds["plain"] / seconds["deployed_channels_last"], 3),
        "max_difference": difference,
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
