"""What a step of the paper's whole space will ask of an NVIDIA H100, reckoned without one.

Nothing here was measured on a GPU. Every launch of a step is written down (not carried out), every kernel variant that
a recipe can choose is compiled for compute capability 9.0 and 8.0, and from the machine code, the tables of work and
the card's published rates follows a time. A second reckoning knows nothing of the code: multiply-adds and planes of
each config, and two efficiencies. Both are in the JSON, with what they assume.

    python benchmarks/gpu_projection.py                 # writes benchmarks/results/gpu_projection.json
    python benchmarks/gpu_projection.py --quick         # a tenth of the space, one architecture

With another Triton, here that of torch's CUDA build, only the compiling, and its spills beside those of this one:

    pip install --no-deps --target build/triton triton==3.7.1
    PYTHONPATH=build/triton python benchmarks/gpu_projection.py --only-compile build/triton.json
    python benchmarks/gpu_projection.py --also build/triton.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks import _gpu_reckoning as reckoning  # noqa: E402
from benchmarks import _record  # noqa: E402
from benchmarks._cubins import Call, compiled, recorded, variant_digest  # noqa: E402
from benchmarks._gpu_reckoning import BLOCK, H100, LAUNCH_S  # noqa: E402
from search_space import parse_id  # noqa: E402
from search_space.config import Config  # noqa: E402
from workers.packs.engine import files_digest  # noqa: E402
from workers.training.recipe import LOSSES, Recipe, recipe_for  # noqa: E402
from workers.training.train import initial_module  # noqa: E402

SOURCES = ("kernels/*.py",)
"""The kernels and all that launches them, under ``workers/packs``."""
MOST_SPILLED = 64
"""Bytes a thread that a kernel may keep in memory for want of registers."""
BEYOND_THE_PAPER = tuple(f"eSR-CNN_s{scale}_C16_D1_S3" for scale in (2, 3, 4))
"""Configs with kernel variants that no config of the paper has."""
Variant = Any
Codes = dict[int, dict[Variant, dict[str, Any]]]
"""Machine code by compute capability and variant."""


def space(quick: bool) -> list[Config]:
    from benchmarks._training import sample, trained_space

    return list(sample(120)) if quick else list(trained_space())


def step_calls(configs: Sequence[Config], scale: int, recipe: Recipe) -> tuple[list[tuple[Call, int]], int]:
    """The launches of a block of BLOCK steps of all configs of a scale, each with its number (a deep step's launches
    are the same in every step), and the bytes the engine holds."""
    from workers.packs.kernels.engine import KernelEngine

    mine = [config for config in configs if config.scale == scale]
    with recorded() as calls:
        engine = KernelEngine([initial_module(config, 0) for config in mine], recipe, scale, "cpu")
        low = torch.zeros(BLOCK, recipe.batch, 1, recipe.patch, recipe.patch)
        high = torch.zeros(BLOCK, recipe.batch, 1, scale * recipe.patch, scale * recipe.patch)
        engine.steps(0, low, high, [[1e-3] * len(mine)] * BLOCK)
    held = sum(
        t.numel() * t.element_size()
        for _, part in engine.parts
        for t in vars(part).values()
        if isinstance(t, torch.Tensor)
    )
    same: dict[Any, tuple[Call, int]] = {}
    for call in calls:
        key = (call.variant, tuple(id(x) for x in call.arguments if isinstance(x, torch.Tensor)))
        same[key] = call, same[key][1] + 1 if key in same else 1
    return list(same.values()), held


def launches_and_waits(configs: Sequence[Config], scale: int, recipe: Recipe) -> tuple[float, float]:
    """Launches of a step, torch's own among them, and waits of the host, counted on a made-up GPU over two blocks (the
    second replayed from a graph)."""
    from tests.workers_tests.packs.fakecuda import fake_cuda
    from workers.packs.kernels.engine import KernelEngine

    mine = [config for config in configs if config.scale == scale]
    with fake_cuda(compute=False) as counts:
        engine = KernelEngine([initial_module(config, 0) for config in mine], recipe, scale, "cuda")
        low = torch.zeros(BLOCK, recipe.batch, 1, recipe.patch, recipe.patch).to("cuda")
        high = torch.zeros(BLOCK, recipe.batch, 1, scale * recipe.patch, scale * recipe.patch).to("cuda")
        counts.reset()
        for first in (0, BLOCK):
            engine.steps(first, low, high, [[1e-3] * len(mine)] * BLOCK)
        return counts.launches / (2 * BLOCK), sum(counts.syncs.values()) / (2 * BLOCK)


def others_than_the_papers(configs: Sequence[Config]) -> Iterator[Call]:
    """Launches that the paper's recipe does not make: eSR-CNN's orthogonal steps, and sizes beyond the paper's."""
    small = {"batch": 1, "patch": 9}
    wide = list(map(parse_id, BEYOND_THE_PAPER))
    for name, mine in (("evening", configs), ("paper", wide)):
        for scale in (2, 3, 4):
            yield from (call for call, _ in step_calls(mine, scale, recipe_for(name).with_changes(**small))[0])


def other_losses(calls: Sequence[Call]) -> Iterator[Call]:
    """The same launches under each other loss. Precisions: the kernels are used for float32 only."""
    for call in calls:
        for loss in range(len(LOSSES)) if "LOSS" in call.constants else ():
            yield replace(call, constants={**call.constants, "LOSS": loss})


def compile_all(calls: Sequence[Call], kept: Path, capabilities: Sequence[int], jobs: int) -> Codes:
    """Machine code of every variant; what was compiled is kept by its sources' digest, so that a run may be cut off."""
    kept.mkdir(parents=True, exist_ok=True)
    first: dict[Variant, Call] = {}
    for call in calls:
        first.setdefault(call.variant, call)
    work = [(call, capability, kept) for call in first.values() for capability in capabilities]
    _Work.items = work
    out: Codes = defaultdict(dict)
    # Forked: calls hold kernels and tensors, which are not to be pickled.
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for number, path in enumerate(pool.imap(_compiled_to, range(len(work)))):
            call, capability, _ = work[number]
            code = out[capability][call.variant] = json.loads(path.read_text())
            print(f"{number + 1}/{len(work)} sm_{capability} {call.name}: {code['registers']} registers,"
                  f" {code['spills']} bytes of stack", file=sys.stderr, flush=True)  # fmt: skip
    return out


class _Work:
    """What the forked processes compile."""

    items: list[tuple[Call, int, Path]]


def _compiled_to(number: int) -> Path:
    call, capability, kept = _Work.items[number]
    path = kept / f"{capability}-{variant_digest(call.variant)}.json"
    if not path.exists():
        code = json.dumps(vars(compiled(call, capability)))
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(code)
        temporary.replace(path)
    return path


def worst_spills(codes: Codes) -> dict[str, int]:
    """Bytes by compute capability."""
    return {f"sm_{one}": max((code["spills"] for code in mine.values()), default=0) for one, mine in codes.items()}


def spills_of(codes: Codes) -> dict[str, Any]:
    """This Triton's spills, and of which sources: what ``--only-compile`` writes."""
    worst = {
        variant: worst_spills({one: {variant: mine[variant]} for one, mine in codes.items()}) for variant in codes[90]
    }
    above = [
        {"kernel": name, "constants": dict(constants), **spills}
        for (name, constants), spills in worst.items()
        if max(spills.values()) > MOST_SPILLED
    ]
    return {"triton": version("triton"), "sources": files_digest(SOURCES), "variants": len(worst),
            **worst_spills(codes), "above_the_limit": above}  # fmt: skip


def by_triton(codes: Codes, others: Sequence[Path]) -> dict[str, Any]:
    """Spills by Triton's version: this one's, and those that other environments compiled of the same sources."""
    found = [spills_of(codes), *(json.loads(path.read_text()) for path in others)]
    if {one["sources"] for one in found} != {files_digest(SOURCES)}:
        sys.exit("a file of --also is of other sources: run --only-compile again")
    return {one["triton"]: {k: v for k, v in one.items() if k not in ("triton", "sources")} for one in found}


def described(variant: Variant, codes: Codes, launched: bool) -> dict[str, Any]:
    """A line of the JSON: what a variant needs; of those that the paper's recipe launches with their instructions."""
    name, constants = variant
    shown = ("registers", "spills", "shared", *(["instructions"] if launched else []))
    needs = {f"sm_{one}": {key: mine[variant][key] for key in shown} for one, mine in codes.items()}
    return {"kernel": name, "constants": dict(constants), **needs}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "edge-sweep-cubins")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once")
    parser.add_argument("--only-compile", type=Path, metavar="FILE", help="write this Triton's spills there, no more")
    parser.add_argument("--also", type=Path, nargs="*", default=[], metavar="FILE", help="spills of other Tritons")
    asked = parser.parse_args(argv)
    recipe, configs = recipe_for("paper"), space(asked.quick)
    by_scale = {scale: step_calls(configs, scale, recipe) for scale in (2, 3, 4)}
    counted = [one for found, _ in by_scale.values() for one in found]
    launched = {call.variant: call for call, _ in counted}
    chosen = [*launched.values(), *others_than_the_papers(configs)]
    # Another Triton compiles what the shipped recipes launch; the other losses hardly differ.
    chosen = chosen if asked.only_compile else [*chosen, *other_losses(chosen)]
    codes = compile_all(chosen, asked.kept, [90] if asked.quick else [90, 80], asked.jobs)
    if asked.only_compile:
        asked.only_compile.write_text(json.dumps(spills_of(codes), indent=2) + "\n")
        return
    steps = {scale: reckoning.step_of(found, codes[90]) for scale, (found, _) in by_scale.items()}
    seconds = sum(step["seconds"] for step in steps.values())
    other = reckoning.second_reckoning(configs, recipe)
    launches = sum(number for _, number in counted) / BLOCK
    seen = [launches_and_waits(configs, scale, recipe) for scale in by_scale]
    hours = seconds * recipe.steps / 3600
    _record.record(
        "gpu_projection",
        {
            "measured_on_a_gpu": False,
            "sources": files_digest(SOURCES),
            "configs": len(configs),
            "kernels_per_step": round(launches, 1),
            "launches_per_step_with_those_of_torch": round(sum(one for one, _ in seen), 1),
            "syncs_per_step": sum(waits for _, waits in seen),
            "bytes_per_step": round(sum(reckoning.memory_bytes(call) * number for call, number in counted) / BLOCK),
            "flops_per_step": round(other["flops"]),
            "spills": worst_spills(codes),
            "spills_by_triton": by_triton(codes, asked.also),
            "variants": [described(variant, codes, variant in launched) for variant in codes[90]],
            "projected_seconds_per_step": {f"x{scale}": step for scale, step in steps.items()},
            "whole_number_instructions_of_deep_kernels": round(reckoning.whole_number_share(counted, codes[90]), 2),
            "projected_hours_paper_sweep": round(hours, 3),
            "projected_hours_launched_from_python": round(
                hours + launches * (LAUNCH_S["eager"] - LAUNCH_S["graph"]) * recipe.steps / 3600, 3
            ),
            "second_reckoning": {
                **other, "hours": round(other["seconds"] * recipe.steps / 3600, 3),
                "ratio_of_the_two": round(seconds / other["seconds"], 2),
            },
            "limit_minutes": {
                "fp32_units": round(other["flops"] / H100["fp32_flops"] * recipe.steps / 60, 2),
                "tf32x3": round(other["flops"] / (2 * H100["mma_tf32_macs_per_clock_sm"] * 2 * H100["sms"]
                                * H100["clock_hz"] / 3) * recipe.steps / 60, 2),
            },
            "memory_held_bytes": {f"x{scale}": held for scale, (_, held) in by_scale.items()},
            "assumptions": {**reckoning.assumptions(), "steps": recipe.steps},
        },
        ("torch", "triton", "numpy"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
