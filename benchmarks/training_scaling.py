"""How the time of training in packs grows with the number of configs, and with patch and batch; how far from the limit.

All of it on one thread and in core time (what the process had of a core, not the clock on the wall), so that a machine
that also does other work gives nearly the same measurements; ``fused_training.py`` measures wall time on all cores.

- ``by_configs``: core-milliseconds of a step of 1, 10, 100 configs (stratified) and of the whole space, in one pack a
  scale; the first three also one config at a time. ``whole_space_as_planned`` is the last row in the packs that
  ``sweep run`` makes.
- ``by_patch_and_batch``: a step of 8 configs of one scale in packs, and one at a time.
- ``roofline``: for each kind of network, useful arithmetic (multiply-adds of the convolutions forward, of their weight
  gradients, and of the input gradients where there is a layer below; 2 operations each) over time, beside what a large
  float32 matrix product reaches on a core and the bytes a second of a large copy. Heads, activations, unfolding and
  patches are time but not counted as work. ``processor_gflops`` is what the units do with nothing to load
  (processor_peak.cpp); ``of_peak`` is the share of that.

    python benchmarks/training_scaling.py            # writes benchmarks/results/training_scaling.json
    python benchmarks/training_scaling.py --quick    # up to 10 configs
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from search_space.config import Config  # noqa: E402

PATCHES, BATCHES = (16, 32, 64), (1, 4, 16)


def core_time(work: Callable[[], Any], repeats: int = 6) -> float:
    """Least core-seconds of some calls."""
    times: list[float] = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def peak_gflops(side: int) -> float:
    """Of a large float32 matrix product on one core."""
    import torch

    a, b = torch.rand(side, side), torch.rand(side, side)
    out = torch.empty(side, side)
    return 2 * side**3 / core_time(lambda: torch.mm(a, b, out=out)) / 1e9


def processor_peaks(repeats: int) -> dict[str, float | None]:
    """GFLOP/s of one core in multiply-adds with nothing to load, in float32 and in bf16 products with float32 sums.

    None where there is no compiler, and for bf16 where the processor has no such instruction.
    """
    from workers.packs import compiled

    compiler = compiled.find_compiler()
    if compiler is None:
        return {"float32": None, "bf16": None}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak.so"
        compiled.build(compiler, Path(__file__).parent / "processor_peak.cpp", path)
        library = ctypes.CDLL(str(path))
        return {
            name: peak_of(function, repeats)
            for name, function in (("float32", library.fma_operations), ("bf16", library.bf16_operations))
        }


def peak_of(operations: Any, repeats: int, rounds: int = 1_000_000) -> float | None:
    """GFLOP/s of a function of processor_peak.cpp."""
    operations.restype, operations.argtypes = ctypes.c_double, [ctypes.c_long, ctypes.c_void_p]
    numbers = (ctypes.c_float * 2)(0.5, 0.25)
    done = operations(rounds, numbers)
    return round(done / core_time(lambda: operations(rounds, numbers), repeats) / 1e9, 1) if done else None


def copy_gb_per_s(mib: int) -> float:
    """Bytes read and written per second by one core that copies an array far larger than the caches."""
    import torch

    source = torch.rand(mib * 2**18)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / core_time(lambda: target.copy_(source)) / 1e9


def together(groups: Sequence[Sequence[Config]], recipe: Any, seconds: float) -> float:
    """Core-seconds of a step of each of these packs."""
    from benchmarks._training import pack

    return sum(pack(group, recipe, seconds, time_of=time.process_time) for group in groups)


def one_by_one(configs: Sequence[Config], recipe: Any, seconds: float) -> float:
    """Core-seconds of a step of each config alone."""
    from benchmarks._training import single

    return sum(single(config, recipe, seconds, time.process_time) for config in configs)


def operations(config: Config, recipe: Any) -> float:
    """Useful floating-point operations of one training step."""
    convs = config.convs() or ()
    inner = recipe.patch - 2 * recipe.border
    reach = 0
    total = 0.0
    for index in reversed(range(len(convs))):
        conv = convs[index]
        stride = conv.transposed_stride or 1
        pixels = min(recipe.patch, inner + 2 * reach) ** 2 * recipe.batch
        ways = 3 if index else 2
        total += 2 * ways * conv.kernel**2 * conv.c_in * conv.c_out * pixels
        reach += -(-conv.kernel // stride) // 2
    return total


def by_configs(recipe: Any, counts: Sequence[int], seconds: float) -> list[dict[str, float | int | None]]:
    """A step of so many configs."""
    from benchmarks._training import sample, trained_space

    rows: list[dict[str, float | int | None]] = []
    for count in counts:
        configs = trained_space() if count > len(trained_space()) else sample(count)
        scales = sorted({config.scale for config in configs})
        groups = [[config for config in configs if config.scale == scale] for scale in scales]
        ours = together(groups, recipe, seconds)
        alone = one_by_one(configs, recipe, seconds / 10) if count <= 100 else None
        rows.append(
            {
                "configs": len(configs),
                "packs": len(groups),
                "pack_step_ms": round(1e3 * ours, 2),
                "config_steps_per_core_s": round(len(configs) / ours, 1),
                "one_at_a_time_ms": round(1e3 * alone, 2) if alone else None,
                "ratio": round(alone / ours, 2) if alone else None,
            }
        )
        say(str(rows[-1]))
    return rows


def as_planned(recipe: Any, seconds: float, quick: bool) -> dict[str, float | int]:
    """A step of the whole space in the sweep's packs."""
    from benchmarks._training import planned, sample, trained_space

    groups = planned(sample(18) if quick else trained_space())
    took = together(groups, recipe, seconds)
    return {
        "packs": len(groups),
        "pack_step_ms": round(1e3 * took, 1),
        "projected_core_hours": round(took * recipe.steps / 3600, 2),
    }


def by_patch_and_batch(recipe: Any, seconds: float, quick: bool) -> list[dict[str, float | int]]:
    """A step of 8 configs x2 of all families, in packs and alone."""
    from benchmarks._training import planned, sample

    configs = [c for c in sample(48) if c.scale == 2][1 :: 8 if quick else 2]
    rows: list[dict[str, float | int]] = []
    for patch, batch in product(PATCHES[:1] if quick else PATCHES, BATCHES[:1] if quick else BATCHES):
        shaped = recipe.with_changes(patch=patch, batch=batch)
        ours = together(planned(configs), shaped, seconds)
        alone = one_by_one(configs, shaped, seconds / 10)
        work = sum(operations(config, shaped) for config in configs)
        rows.append(
            {
                "patch": patch,
                "batch": batch,
                "pixels": batch * (patch - 2 * shaped.border) ** 2,
                "pack_step_ms": round(1e3 * ours, 2),
                "one_at_a_time_ms": round(1e3 * alone, 2),
                "ratio": round(alone / ours, 2),
                "gflops": round(work / ours / 1e9, 1),
            }
        )
        say(str(rows[-1]))
    return rows


def roofline(recipe: Any, seconds: float, quick: bool) -> dict[str, Any]:
    """Useful GFLOP/s of a core by kind, beside the machine's."""
    from benchmarks._training import kind, planned_by_kind, sample

    peaks = processor_peaks(5 if quick else 50)
    product, copy = peak_gflops(512 if quick else 1536), copy_gb_per_s(64 if quick else 512)
    peak = peaks["float32"] or product
    kinds: dict[str, dict[str, float]] = {}
    groups = planned_by_kind(sample(18 if quick else 144))
    for name in sorted({kind(group[0]) for group in groups}):
        mine = [group for group in groups if kind(group[0]) == name]
        reached = sum(operations(config, recipe) for group in mine for config in group)
        reached /= together(mine, recipe, seconds) * 1e9
        kinds[name] = {"gflops": round(reached, 1), "of_peak": round(reached / peak, 3)}
        say(f"{name}: {kinds[name]}")
    return {
        "processor_gflops": peaks,
        "matrix_product_gflops": round(product, 1),
        "copy_gb_per_s": round(copy, 1),
        "kinds": kinds,
    }


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    import torch

    from workers.training.recipe import recipe_for

    torch.set_num_threads(1)

    recipe = recipe_for("smoke" if quick else "paper")
    seconds = 0.02 if quick else 0.3
    measurements = {
        "recipe": json.loads(recipe.to_json()),
        "roofline": roofline(recipe, seconds, quick),
        "by_configs": by_configs(recipe, (1, 10) if quick else (1, 10, 100, 1185), seconds),
        "whole_space_as_planned": as_planned(recipe, seconds, quick),
        "by_patch_and_batch": by_patch_and_batch(recipe, seconds, quick),
    }
    from benchmarks._record import record

    print(json.dumps(measurements, indent=2))
    if not quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        record("training_scaling", measurements)


if __name__ == "__main__":
    main()
