"""What keeping freed memory gains a network on this CPU: frames with and without, a process each, in turn.

python benchmarks/kept_memory.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median

from _bench import SMALL, Neighbours
from _record import record

CONFIGS = ("ESPCN_s2_D0_S3", "eSR-CNN_s2_C2_D1_S6", "eSR-TM_s4_K7_C8", "eSR-TM_s3_K5_C12", "eSR-TR_s3_K5_C13")


def child(keep: bool, frames: int) -> None:
    """Print the median milliseconds and the page faults a frame of each config, as JSON."""
    import resource

    import torch

    from search_space import parse_id
    from workers.benchmark.clock import stopwatch
    from workers.benchmark.subject import build, frames_in
    from workers.timing.malloc import keep_freed_memory

    if keep:
        assert keep_freed_memory()
    watch, rows = stopwatch("cpu"), {}
    for name in CONFIGS:
        config = parse_id(name)
        module, x = build(config, False).eval(), frames_in(SMALL, config.scale)
        with torch.inference_mode():
            for _ in range(5):
                module(x)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            times = [watch(lambda module=module, x=x: module(x)) for _ in range(frames)]  # type: ignore[misc]
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        rows[name] = [1000 * median(times), faults / frames]
    print(json.dumps(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", choices=("kept", "freed"))
    options = parser.parse_args()
    frames, rounds = (5, 1) if options.quick else (30, 5)
    if options.child:
        child(options.child == "kept", frames)
        return
    neighbours, found = Neighbours(), {"kept": [], "freed": []}  # type: tuple[Neighbours, dict[str, list[dict]]]
    for _ in range(rounds):
        for mode, got in found.items():
            command = [sys.executable, __file__, "--child", mode, *(["--quick"] if options.quick else [])]
            got.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
    rows = []
    for name in CONFIGS:
        ratios = [f[name][0] / k[name][0] for f, k in zip(found["freed"], found["kept"], strict=True)]
        rows.append({
            "config": name,
            "freed_ms": round(median(one[name][0] for one in found["freed"]), 2),
            "kept_ms": round(median(one[name][0] for one in found["kept"]), 2),
            "freed_faults_a_frame": round(median(one[name][1] for one in found["freed"])),
            "kept_faults_a_frame": round(median(one[name][1] for one in found["kept"])),
            "ratio": round(median(ratios), 2),
            "ratio_least": round(min(ratios), 2),
            "ratio_most": round(max(ratios), 2),
        })  # fmt: skip
    measurements = {"output": [SMALL.width, SMALL.height], "rounds": rounds, **neighbours.facts(), "rows": rows}
    if not options.quick:
        print(record("kept_memory", measurements, ("torch",)))
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
