"""All 1185 configs benchmarked in one process, and 40 of them 25 times: does its memory grow?

    python benchmarks/memory_flat.py [--quick]

Outputs are small (192 x 192) so that it takes minutes; what could leak is per network, not per pixel.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import psutil
from _bench import SMALL, Neighbours, protocol_facts
from _record import record

from search_space.config import Config
from search_space.spaces import load_space
from workers.benchmark import Session
from workers.benchmark.lock import whole_machine
from workers.timing.malloc import release_freed_memory

TINY = replace(
    SMALL, name="192x192x2", width=192, height=192, rounds=2, frames=1, warm_frames=3, warm_seconds=0.1, group=20
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    configs = load_space("paper").configs[:: 8 if quick else 1]
    few, times = configs[:: len(configs) // 40], 3 if quick else 25
    neighbours = Neighbours()
    with whole_machine():
        session = Session("bench", protocol=TINY)
        # First, while the process is small: the same networks again and again.
        again = [[number * len(few), list(resident(session, few))[-1][1]] for number in range(1, times + 1)]
        points = list(resident(session, configs))
    n, mib = np.array(points).T
    settled = n >= n[-1] * 0.2
    slope = float(np.polyfit(n[settled], mib[settled], 1)[0])
    measurements = {
        "benchmarks": int(n[-1]),
        "rss_mib_at_fifth": round(float(mib[settled][0]), 1),
        "rss_mib_at_end": round(float(mib[-1]), 1),
        "rss_mib_peak": round(float(mib.max()), 1),
        "growth_mib_per_1000": round(1000 * slope, 2),
        "growth_share": round(float(mib[-1] / mib[settled][0] - 1), 4),
        **protocol_facts(TINY),
        **neighbours.facts(),
        "points": points,
        "same_configs": len(few),
        "same_configs_points": again,
    }
    if not quick:
        print(record("memory_flat", measurements, ("torch", "numpy", "psutil")))
    print({key: value for key, value in measurements.items() if key != "points"})


def resident(session: Session, configs: Sequence[Config]) -> Iterator[tuple[int, float]]:
    """Benchmarks done and MiB of this process, a group at a time."""
    process, done = psutil.Process(), 0
    for group in session.measure(configs):
        done += len(group)
        gc.collect()
        release_freed_memory()
        yield done, round(process.memory_info().rss / 2**20, 1)


if __name__ == "__main__":
    main()
