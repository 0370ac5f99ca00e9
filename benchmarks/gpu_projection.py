"""What a step of the paper's whole space will ask of an NVIDIA H100, reckoned without one.

Nothing here was measured on a GPU. Every launch of a step is written down (not carried out), every kernel variant is
compiled for compute capability 9.0 and 8.0, and from the machine code, the tables of work and the card's published
rates follows a time. A second reckoning knows nothing of the code: multiply-adds and planes of each config, and two
efficiencies. Both are in the JSON, with what they assume.

    python benchmarks/gpu_projection.py                 # writes benchmarks/results/gpu_projection.json
    python benchmarks/gpu_projection.py --quick         # a tenth of the space, one architecture
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks import _record  # noqa: E402
from benchmarks._cubins import Call, compiled, recorded  # noqa: E402
from search_space.config import Config  # noqa: E402
from workers.packs.plan import macs  # noqa: E402
from workers.training.recipe import Recipe, recipe_for  # noqa: E402
from workers.training.train import initial_module  # noqa: E402

BLOCK = 50
H100 = {"sms": 132, "clock_hz": 1.755e9, "bytes_per_s": 3.35e12, "mma_tf32_macs_per_clock_sm": 512, "fp32_flops": 67e12}
"""The SXM card's published rates; half of the tensor cores' peak, as ``mma`` and small tiles reach it."""
ISSUE = 0.35
"""Of the instruction slots (4 a clock and multiprocessor) that are used: latency is hidden by few warps."""
TENSOR = 0.5
MEMORY = 0.6
LAUNCH_S = {"graph": 1.5e-6, "eager": 12e-6}
"""Between two launches of one stream: replayed from a graph, or started from Python."""
FP32_EFFICIENCY = 0.25
TRAFFIC = 6
"""Second reckoning: times each plane of activations goes through memory per step (written and read by forward,
backward and both gradients)."""


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


def trips(call: Call) -> list[float]:
    """How often the loops of a kernel go round, outermost first, on average over its programs."""
    c, values = call.constants, dict(zip(_argument_names(call), call.arguments, strict=True))
    if call.name == "one_layer_steps":
        return [values["steps"], -(-values["pixels"] // c["P"])]
    if call.name == "conv_weight_gradient":
        return [-(-values["share"] // c["P"])]
    if call.name in ("conv_forward", "conv_backward", "conv_head"):
        inputs = values["table"][:, 4].double() * c["KS"] ** 2
        return [float((inputs / c["KC"]).ceil().mean())]
    if call.name in ("turn_white", "step_orthogonally"):
        n = (values["table"][:, 3] + 1).double()
        around = float((n / c["NC"]).ceil().mean())
        return [around] if call.name == "turn_white" else [around, c["ROUNDS"], around]
    if call.name == "step_orthogonally_wide":
        # Loops in loops of many kinds: as if all went round as often as the innermost of a product.
        return [float(c["ROUNDS"] * 4 * (c["RP"] // c["NB"]) ** 2)]
    return [1.0]


def _argument_names(call: Call) -> list[str]:
    return [name for name in call.kernel.arg_names if name not in call.constants]


def dynamic_instructions(sass: str, around: list[float]) -> float:
    """Instructions a warp issues: those in a loop counted as often as it goes round."""
    lines = re.findall(r"/\*([0-9a-f]{4,5})\*/\s+((?:@!?U?P\w+\s+)?[A-Z][A-Z0-9.]+[^;]*);", sass)
    places = [int(at, 16) for at, _ in lines]
    loops: list[tuple[int, int]] = []
    for at, text in lines:
        found = re.search(r"\bBRA(?:\.\w+)*\s+(?:!?U?P\w+,\s*)?(?:`\()?0x([0-9a-f]+)", text)
        if found and int(found[1], 16) < int(at, 16):
            loops.append((int(found[1], 16), int(at, 16)))
    loops.sort(key=lambda loop: (loop[0], -loop[1]))
    nested = len(around) > 1 and len(loops) > 1 and loops[1][1] <= loops[0][1]
    weights = [around[min(i, len(around) - 1)] for i in range(len(loops))]
    total = 0.0
    for place in places:
        weight = 1.0
        for (start, end), times in zip(loops, weights, strict=True):
            if start <= place <= end:
                weight = weight * times if nested else max(weight, times)
        total += weight
    return total


def tensor_macs(call: Call, around: list[float]) -> float:
    """Multiply-adds on tensor cores of a program, padding counted, each product in three of tf32."""
    c = call.constants
    if call.name == "one_layer_steps":
        maps = c["KIND"] + 1
        return 3 * 2 * maps * c["P"] * c["T"] * c["N"] * around[0] * around[1]
    if call.name == "conv_weight_gradient":
        return 3 * c["P"] * c["KC"] * c["COUT"] * around[0]
    if call.name in ("conv_forward", "conv_backward"):
        return 3 * c["P"] * c["KC"] * c["COUT"] * around[0]
    if call.name == "conv_head":
        return 3 * c["P"] * c["KC"] * c["N"] * around[0] * (2 if c["HEAD"] == 2 else 1)
    if call.name == "turn_white":
        return 3 * c["RP"] * c["NC"] ** 2 * around[0]
    if call.name == "step_orthogonally":
        return 3 * c["RP"] ** 2 * (2 * c["NC"] * around[0] + 4 * c["RP"] * c["ROUNDS"])
    if call.name == "step_orthogonally_wide":
        return 3 * c["RP"] ** 3 * 5 * c["ROUNDS"]
    return 0.0


def memory_bytes(call: Call) -> float:
    """Bytes a launch moves at least: each plane, weight or number of its table once."""
    c, values = call.constants, dict(zip(_argument_names(call), call.arguments, strict=True))
    if call.name == "one_layer_steps":
        own = sum(values[name].numel() * 4 for name in ("weights", "first", "second"))
        return own * 2 + values["windows"].numel() * 4 * max(1, call.programs // H100["sms"])
    if call.name.startswith("conv_"):
        table = values["table"]
        plane = values["batch"] * values["side"] ** 2 * 4
        read = {int(row[0]): int(row[4]) for row in table}
        if call.name == "conv_weight_gradient":
            gradients = {int(row[1]): int(row[5]) for row in table}
            return plane * (sum(read.values()) + sum(gradients.values())) + 4 * c["KC"] * c["COUT"] * call.programs
        if call.name == "conv_head":
            width = c["N"] * (2 if c["HEAD"] == 2 else 1)
            return plane * (sum(read.values()) + width * len(table) + len(table))
        written = {int(row[1]): int(row[5]) for row in table}
        return plane * (sum(read.values()) + sum(written.values()) * (2 if call.name == "conv_backward" else 1))
    if call.name in ("adam_flat", "adam_turned"):
        numbers = float(values["table"][:, 1].sum()) * c.get("AREA", 1)
        return numbers * 4 * (7 + c["PARTS"])
    if call.name == "turn_white":
        n = (values["table"][:, 3] + 1).double()
        return float((4 * n * c["NC"]).sum())
    return 4.0 * 1024 * call.programs


def reckon(calls: Sequence[tuple[Call, int]], codes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Seconds of one step from instructions, tensor cores and bytes: a launch takes the longest of the three."""
    deep, shallow = 0.0, 0.0
    bound: Counter[str] = Counter()
    for call, number in calls:
        code, around = codes[call.variant], trips(call)
        warps = call.constants.get("num_warps", 4)
        issued = dynamic_instructions(code["sass"], around) * warps * call.programs
        per_clock = 4 * H100["sms"] * H100["clock_hz"]
        times = {
            "instructions": issued / (per_clock * ISSUE),
            "tensor cores": tensor_macs(call, around)
            * call.programs
            / (H100["mma_tf32_macs_per_clock_sm"] * H100["sms"] * H100["clock_hz"] * TENSOR),
            "memory": memory_bytes(call) / (H100["bytes_per_s"] * MEMORY),
        }
        worst = max(times, key=lambda name: times[name])
        bound[worst] += times[worst] * number / BLOCK
        if call.name == "one_layer_steps":
            # The launches of a block run side by side; one program of the longest is a floor no width gets under.
            shallow += times[worst] * number / BLOCK
        else:
            deep += (times[worst] + LAUNCH_S["graph"]) * number / BLOCK
    return {"seconds": deep + shallow, "deep": deep, "one_layer": shallow, "bound": dict(bound)}


def one_program_floor(calls: Sequence[tuple[Call, int]], codes: dict[Any, dict[str, Any]]) -> float:
    """Seconds a step of the slowest one-layer program, alone on its multiprocessor."""
    out = 0.0
    for call, _ in calls:
        if call.name == "one_layer_steps":
            instructions = dynamic_instructions(codes[call.variant]["sass"], trips(call))
            # Each of the four warps has a scheduler of its own; it issues on about every third clock.
            out = max(out, instructions / (H100["clock_hz"] * ISSUE) / BLOCK)
    return out


def second_reckoning(configs: Sequence[Config], recipe: Recipe) -> dict[str, float]:
    """From the configs alone: three products a layer (forward and both gradients), and each plane TRAFFIC times."""
    pixels = recipe.batch * recipe.patch**2
    flops = sum(3 * 2 * macs(config) * pixels for config in configs)
    planes = 0
    for config in configs:
        if config.family in ("ESPCN", "eSR-CNN", "FSRCNN"):
            planes += sum(c.c_out * (c.transposed_stride or 1) ** 2 for c in config.convs() or ())
    moved = planes * pixels * 4 * TRAFFIC
    arithmetic, memory = flops / (H100["fp32_flops"] * FP32_EFFICIENCY), moved / (H100["bytes_per_s"] * MEMORY)
    return {"flops": flops, "bytes": moved, "seconds": arithmetic + memory}


def compile_all(calls: Sequence[Call], kept: Path, capabilities: Sequence[int]) -> dict[int, dict[Any, dict[str, Any]]]:
    """Machine code of every variant; what was compiled is kept by its sources' digest, so that a run may be cut off."""
    kept.mkdir(parents=True, exist_ok=True)
    first: dict[Any, Call] = {}
    for call in calls:
        first.setdefault(call.variant, call)
    out: dict[int, dict[Any, dict[str, Any]]] = defaultdict(dict)
    for capability in capabilities:
        for number, (variant, call) in enumerate(first.items()):
            path = kept / f"{capability}-{_digest(variant)}.json"
            if not path.exists():
                code = compiled(call, capability)
                path.write_text(json.dumps(vars(code)))
            out[capability][variant] = json.loads(path.read_text())
            code = out[capability][variant]
            print(f"sm_{capability} {number + 1}/{len(first)} {variant[0]}: {code['registers']} registers,"
                  f" {code['spills']} bytes of stack", file=sys.stderr, flush=True)  # fmt: skip
    return out


def _digest(variant: Any) -> str:
    import hashlib

    digest = hashlib.sha256(repr(variant).encode())
    for path in sorted((ROOT / "workers/packs/kernels").glob("*kernel*.py")):
        digest.update(path.read_bytes())
    digest.update((ROOT / "workers/packs/kernels/arithmetic.py").read_bytes())
    return digest.hexdigest()[:16]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "edge-sweep-cubins")
    asked = parser.parse_args(argv)
    recipe, configs = recipe_for("paper"), space(asked.quick)
    by_scale = {scale: step_calls(configs, scale, recipe) for scale in (2, 3, 4)}
    counted = [one for found, _ in by_scale.values() for one in found]
    launches = sum(number for _, number in counted) / BLOCK
    # The orthogonal steps of eSR-CNN, which the paper's recipe does not take, have variants of their own.
    others = [call for scale in by_scale for call, _ in step_calls(configs, scale, recipe_for("evening"))[0]]
    codes = compile_all([*(call for call, _ in counted), *others], asked.kept, [90] if asked.quick else [90, 80])
    steps = {scale: reckon(found, codes[90]) for scale, (found, _) in by_scale.items()}
    for scale, (found, _) in by_scale.items():
        floor = one_program_floor(found, codes[90])
        steps[scale]["one_layer"] = max(steps[scale]["one_layer"], floor)
        steps[scale]["seconds"] = steps[scale]["deep"] + steps[scale]["one_layer"]
    seconds = sum(step["seconds"] for step in steps.values())
    other = second_reckoning(configs, recipe)
    hours = seconds * recipe.steps / 3600
    spills = {
        f"sm_{capability}": max((c["spills"] for c in mine.values()), default=0) for capability, mine in codes.items()
    }
    _record.record(
        "gpu_projection",
        {
            "measured_on_a_gpu": False,
            "configs": len(configs),
            "kernels_per_step": round(launches, 1),
            "syncs_per_step": 0,
            "bytes_per_step": round(sum(memory_bytes(call) * number for call, number in counted) / BLOCK),
            "flops_per_step": round(other["flops"]),
            "spills": spills,
            "variants": [
                {"kernel": name, "constants": dict(constants)}
                | {f"sm_{cap}": {k: v for k, v in mine[name, constants].items() if k != "sass"}
                   for cap, mine in codes.items()}
                for name, constants in codes[90]
            ],
            "projected_seconds_per_step": {f"x{scale}": step for scale, step in steps.items()},
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
            "assumptions": {
                "card": H100, "issue_slots_used": ISSUE, "tensor_peak_reached": TENSOR, "bandwidth_reached": MEMORY,
                "seconds_between_launches": LAUNCH_S, "second_fp32_efficiency": FP32_EFFICIENCY,
                "second_plane_traffic": TRAFFIC, "steps": recipe.steps,
                "not_counted": "white inputs every 500 steps, evaluation, the first compilation of the kernels",
            },
        },
        ("torch", "triton", "numpy"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
