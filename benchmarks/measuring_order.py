"""Measuring the members of a pack: one by one over the images, as workers do, against image by image over the members.

    python benchmarks/measuring_order.py [--shared DIR] [--quick]    # writes benchmarks/results/measuring_order.json

PSNR and SSIM of some members of each kind on Set5 and Set14, on one thread, in core time, in paired rounds whose order
changes; both orders give the same values, bit for bit, or this stops. ``ratio`` is now / image by image (above 1: the
other order is faster), its median over the rounds with least and most. ``network_share`` is the part of the time that
the networks themselves take, ``network_gflops`` the useful arithmetic in it per second; the rest is PSNR and SSIM.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _record import record
from _training import kind, threads
from torch import nn

from search_space import Config, parse_id
from workers.data.image_set import ImageSet, read_folder
from workers.packs.plan import macs
from workers.quality.protocol import evaluate, prepare
from workers.training.train import initial_module

SCALE, SETS = 3, ("Set5", "Set14")
MEMBERS = (
    *("eSR-MAX_s3_K3_C4", "eSR-MAX_s3_K7_C8", "eSR-TM_s3_K5_C4", "eSR-TM_s3_K7_C12", "eSR-TR_s3_K3_C8"),
    *("ESPCN_s3_D3_S9", "ESPCN_s3_D4_S18", "ESPCN_s3_D16_S12", "ESPCN_s3_D40_S24", "ESPCN_s3_D64_S32"),
    *("eSR-CNN_s3_C2_D3_S6", "eSR-CNN_s3_C4_D5_S9", "eSR-CNN_s3_C8_D9_S15"),
    *("FSRCNN_s3_D6_S3_M1", "FSRCNN_s3_D32_S9_M1", "FSRCNN_s3_D56_S12_M4"),
)
Member = tuple[Config, nn.Module]
Values = dict[tuple[str, str, str], float]
"""By config, image and metric."""


def one_by_one(members: list[Member], sets: list[ImageSet]) -> Values:
    """As a worker measures a pack: a member over all images, then the next."""
    return {
        (config.id, image, found.metric): value
        for config, module in members
        for images in sets
        for found in evaluate(config, module, images)
        for image, value in found.per_image
    }


def image_by_image(members: list[Member], cut: list[ImageSet]) -> Values:
    """All members on an image, then on the next; ``cut`` are sets of one image each."""
    return {
        (config.id, image, found.metric): value
        for images in cut
        for config, module in members
        for found in evaluate(config, module, images)
        for image, value in found.per_image
    }


def networks_alone(members: list[Member], sets: list[ImageSet]) -> None:
    """The networks' outputs, not measured."""
    with torch.inference_mode():
        for _, module in members:
            for images in sets:
                for pair in prepare(images, SCALE):
                    module(pair.lr)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Core-seconds, and what came out."""
    began = time.process_time()
    out = work()
    return time.process_time() - began, out


def compare(members: list[Member], sets: list[ImageSet], cut: list[ImageSet], rounds: int) -> dict[str, Any]:
    """The two orders and the networks alone, in turns."""
    now, other, alone = [], [], []
    for number in range(rounds):
        ways = [(now, lambda: one_by_one(members, sets)), (other, lambda: image_by_image(members, cut))]
        values = []
        for times, work in ways if number % 2 == 0 else reversed(ways):
            seconds, found = timed(work)
            times.append(seconds)
            values.append(found)
        if values[0] != values[1]:
            sys.exit("measuring_order: the two orders give other values")
        alone.append(timed(lambda: networks_alone(members, sets))[0])
    ratios = [a / b for a, b in zip(now, other, strict=True)]
    pixels = sum(pair.lr.numel() for images in sets for pair in prepare(images, SCALE))
    work = 2 * sum(macs(config) for config, _ in members) * pixels
    return {
        "members": len(members),
        "ms_per_member_and_image": round(1000 * statistics.median(now) / len(members) / len(cut), 2),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
        "network_share": round(statistics.median(a / n for a, n in zip(alone, now, strict=True)), 3),
        "network_gflops": round(work / statistics.median(alone) / 1e9, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGE_SWEEP_SHARED", "../shared")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="Set5, one round")
    asked = parser.parse_args()
    if not (asked.shared / "datasets").is_dir():
        sys.exit(f"measuring_order: no {asked.shared / 'datasets'}: give --shared DIR (nothing measured)")
    sets = [read_folder(asked.shared / "datasets" / name)[0] for name in (SETS[:1] if asked.quick else SETS)]
    cut = [ImageSet(s.name, (n,), (p,)) for s in sets for n, p in zip(s.names, s.pixels, strict=True)]
    groups: defaultdict[str, list[Member]] = defaultdict(list)
    for config in map(parse_id, MEMBERS):
        groups[kind(config)].append((config, initial_module(config, 0)))
    with threads(1):
        everything = [member for members in groups.values() for member in members]
        one_by_one(everything, sets), image_by_image(everything, cut)  # prepares the images
        found = {name: compare(some, sets, cut, 1 if asked.quick else asked.rounds) for name, some in groups.items()}
    measurements = {"scale": SCALE, "sets": [images.name for images in sets], "images": len(cut), "kinds": found}
    print(record("measuring_order", measurements, ("torch", "numpy")))


if __name__ == "__main__":
    main()
