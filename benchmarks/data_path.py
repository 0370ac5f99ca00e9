"""What the data path costs beside training: a batch of patches, a training step of the smallest net, and SSIM.

    python benchmarks/data_path.py [--quick] [--out DIR]

Embedded photographs, one thread, medians; microseconds unless said otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _record
import torch

from search_space import parse_id
from workers.data.embedded import embedded
from workers.quality.ssim import ssim
from workers.training.patches import PatchSampler

SHAPES = ((2, 24, 16), (4, 24, 16), (2, 32, 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--out", type=Path, help="folder for the JSON (default benchmarks/results)")
    args = parser.parse_args()
    _record.RESULTS = args.out or _record.RESULTS
    torch.set_num_threads(1)
    repeats = 20 if args.quick else 400
    rows = [_patches(scale, patch, batch, repeats) for scale, patch, batch in SHAPES]
    path = _record.record(
        "data_path", {"threads": 1, "patches": rows, "ssim": _ssim(repeats // 10)}, ("torch", "torchmetrics")
    )
    print(f"{path}: {rows}")


def _patches(scale: int, patch: int, batch: int, repeats: int) -> dict[str, Any]:
    images = embedded("embedded-train")
    started = time.perf_counter()
    sampler = PatchSampler(images, scale, patch, batch, seed=0)
    loading = time.perf_counter() - started
    steps = iter(range(10**9))
    module = parse_id(f"eSR-MAX_s{scale}_K3_C1").build()
    optimiser = torch.optim.Adam(module.parameters())
    lr, hr = sampler.batch(0)

    def train() -> None:
        optimiser.zero_grad()
        (module(lr) - hr).square().mean().backward()
        optimiser.step()

    return {
        "scale": scale,
        "patch": patch,
        "batch": batch,
        "load_ms_per_megapixel": round(1e3 * loading / images.megapixels, 1),
        "by_rows_us": _median(lambda: sampler.batch(next(steps)), repeats),
        "by_elements_us": _median(lambda: sampler.cut(sampler.draws(next(steps))), repeats),
        "step_of_eSR-MAX_K3_C1_us": _median(train, repeats),
    }


def _ssim(repeats: int) -> dict[str, float]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    want = torch.rand(1, 1, 321, 481) * 255
    got = (want + torch.randn_like(want)).clamp(0, 255)
    return {
        "ours_us": _median(lambda: ssim(got, want), repeats),
        "torchmetrics_us": _median(lambda: structural_similarity_index_measure(got, want, data_range=255.0), repeats),
    }


def _median(work: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(max(repeats, 3) + 3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(1e6 * statistics.median(times[3:]), 1)


if __name__ == "__main__":
    main()
