"""The stage of ``gpu_check.py`` that measures the speed of networks: FP16 Full-HD frames, eager and by a CUDA graph."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._gpu_session import Check

COUNT = 20
"""Frames between two events, of which the first is recorded behind a frame that keeps the GPU busy."""
TIMES = 5
COMPARED = 40
"""Networks whose frame is compared with float32 on the CPU: of all it would take longer than the frames."""


def stratified(configs: Sequence[Any]) -> list[Any]:
    """In an order of which any beginning has each family and scale in proportion."""
    groups: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for config in configs:
        groups[config.family, config.scale].append(config)
    placed: list[tuple[float, str, Any]] = []
    for group in groups.values():
        random.Random(0).shuffle(group)
        placed += [((number + 0.5) / len(group), config.id, config) for number, config in enumerate(group)]
    return [config for _, _, config in sorted(placed, key=lambda one: one[:2])]


def frames(check: Check, out: dict[str, Any]) -> None:
    """Of as many of the 1185 as fit, in a stratified order. The first are held against the CPU."""
    import torch

    from search_space.spaces import load_space
    from workers.backends import Job, find

    configs = stratified(load_space("paper").configs)
    precision = "fp16" if check.on_gpu else "fp32"
    rows: dict[str, dict[str, float | str]] = {}
    out |= {"precision": precision, "of": len(configs), "seconds_a_frame": rows}
    for number, config in enumerate(configs):
        if check.left() < 3 or (check.small and number == 3):
            break
        size = (24, 32) if check.small else (1080 // config.scale, 1920 // config.scale)
        row: dict[str, float | str] = {}
        module, x = config.build().eval(), torch.rand(1, 1, *size)
        with torch.inference_mode():
            exact = module(x) if number < COMPARED else None
        for name in ("eager", "cudagraph") if check.on_gpu else ("eager",):
            try:
                frame = find(name).prepare(Job(config.id, module, config.scale, x, precision, check.device))
                if exact is not None:
                    row[f"{name}, difference from float32"] = float((frame().cpu().float() - exact).abs().mean())
                row[name] = frame_seconds(check, frame)
            except Exception as error:
                row[name] = f"{type(error).__name__}: {str(error)[:120]}"
            module = module.cpu().float()
        rows[config.id] = row
        out["measured"] = len(rows)


def frame_seconds(check: Check, frame: Callable[[], Any]) -> float:
    """The median of some times of ``COUNT`` frames between two events; no launch from an idle GPU is in them."""
    import torch

    for _ in range(3):
        frame()
    times: list[float] = []
    for _ in range(TIMES):
        if not check.on_gpu:
            start = time.perf_counter()
            frame()
            times.append(time.perf_counter() - start)
            continue
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        frame()
        begin.record()
        for _ in range(COUNT):
            frame()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1000 / COUNT)
    return sorted(times)[len(times) // 2]
