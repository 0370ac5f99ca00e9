"""How long a step takes on an H100, reckoned twice: from machine code and tables, and from the configs alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks._cubins import Call
from search_space.config import Config
from workers.packs.plan import macs
from workers.training.recipe import Recipe

BLOCK = 50
"""Steps of a block, of which a one-layer network's are one launch."""
H100 = {"sms": 132, "clock_hz": 1.755e9, "bytes_per_s": 3.35e12, "mma_tf32_macs_per_clock_sm": 512, "fp32_flops": 67e12}
"""The SXM card's published rates; half of the tensor cores' peak, as ``mma`` and small tiles reach it."""
ISSUE = 0.35
"""Of the instruction slots (4 a clock and multiprocessor) that are used: latency is hidden by few warps."""
TENSOR = 0.5
MEMORY = 0.6
LAUNCH_S = {"graph": 1.5e-6, "eager": 12e-6}
"""Between two launches of one stream: replayed from a graph, or started from Python."""
WHOLE_NUMBERS = ("IMAD", "IADD", "LEA", "LOP3", "SHF", "ISETP", "IABS", "IMNMX")
"""Opcodes, without the U of the uniform ones."""
FP32_EFFICIENCY = 0.25
TRAFFIC = 6
"""Second reckoning: times each plane of activations goes through memory per step (written and read by forward,
backward and both gradients)."""


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


def dynamic_instructions(sass: str, around: list[float], only: tuple[str, ...] = ("",)) -> float:
    """Instructions a warp issues: those in a loop counted as often as it goes round. ``only``: how opcodes begin."""
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
    for place, (_, text) in zip(places, lines, strict=True):
        if not re.sub(r"^@!?U?P\w+\s+", "", text).removeprefix("U").startswith(only):
            continue
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


def whole_number_share(calls: Sequence[tuple[Call, int]], codes: dict[Any, dict[str, Any]]) -> float:
    """Of all instructions of the deep kernels, those of whole numbers: mostly addresses."""
    found = [0.0, 0.0]
    for call, number in calls:
        if call.name != "one_layer_steps":
            for place, only in enumerate((WHOLE_NUMBERS, ("",))):
                each = dynamic_instructions(codes[call.variant]["sass"], trips(call), only)
                found[place] += each * call.constants.get("num_warps", 4) * call.programs * number
    return found[0] / found[1]


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


def step_of(calls: Sequence[tuple[Call, int]], codes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """``reckon``, with the one-layer networks no faster than their slowest program."""
    out = reckon(calls, codes)
    out["one_layer"] = max(out["one_layer"], one_program_floor(calls, codes))
    return {**out, "seconds": out["deep"] + out["one_layer"]}


def assumptions() -> dict[str, Any]:
    """All that the times rest on besides the code."""
    return {
        "card": H100, "issue_slots_used": ISSUE, "tensor_peak_reached": TENSOR, "bandwidth_reached": MEMORY,
        "seconds_between_launches": LAUNCH_S, "second_fp32_efficiency": FP32_EFFICIENCY,
        "second_plane_traffic": TRAFFIC,
        "not_counted": "white inputs every 500 steps, evaluation, the first compilation of the kernels",
    }  # fmt: skip
