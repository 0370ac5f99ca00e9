"""The stages of ``gpu_check.py`` that train: kernels compiled, engines held against the reference, rates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from benchmarks._gpu_session import SPACE, Check, engine_of, recipe, sampler, space
from benchmarks._gpu_watch import watched


def compile_kernels(check: Check, out: dict[str, Any]) -> None:
    """Every kernel that the whole space launches, compiled by as many threads as there are cores."""
    if not check.on_gpu:
        out["skipped"] = "kernels are for CUDA devices"
        return
    import torch

    from workers.packs.kernels import launch
    from workers.packs.kernels.available import why_no_kernels

    reason = why_no_kernels(torch.device("cuda"))
    if reason:
        out["skipped"] = reason
        return
    calls: dict[Any, tuple[Any, ...]] = {}
    before = launch.launch

    def note(kernel: Any, grid: Any, arguments: Any, constants: Any) -> None:
        calls.setdefault((kernel.__name__, tuple(sorted(constants.items()))), (kernel, grid, arguments, constants))

    launch.launch = note
    os.environ["EDGE_SWEEP_CUDA_GRAPHS"] = "0"
    try:
        for scale in (2, 3, 4):
            configs = space(check, scale)
            low, high = sampler(check, scale).batches(0, 2)
            for engine, members in engine_of(check, "kernels", configs):
                engine.steps(0, low, high, [[1e-3] * len(members)] * 2)
    finally:
        launch.launch = before
        del os.environ["EDGE_SWEEP_CUDA_GRAPHS"]
    out["variants"] = len(calls)
    began = time.perf_counter()

    def build(call: tuple[Any, ...]) -> float:
        kernel, grid, arguments, constants = call
        torch.cuda.set_device(0)
        started = time.perf_counter()
        kernel.warmup(*arguments, grid=grid, num_stages=launch.STAGES, **{"num_warps": 4, **constants})
        return time.perf_counter() - started

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        each = list(pool.map(build, calls.values()))
    out |= {"seconds": time.perf_counter() - began, "longest": max(each), "sum": sum(each)}


def engines(check: Check, out: dict[str, Any]) -> None:
    """Every engine against the CPU reference on a tiny pack; an empty fault where it agrees."""
    import torch

    from workers.packs import teams
    from workers.packs.kernels import graph
    from workers.packs.kernels.available import why_no_kernels
    from workers.packs.proof import fault_of

    device = torch.device(check.device)
    chain = [teams.KERNELS, teams.STACKED, teams.PLAIN] if check.on_gpu else [teams.STACKED, teams.PLAIN]
    graphs, faults = graph.allowed(), list[str]()
    for way in chain:
        if way is teams.KERNELS and (reason := why_no_kernels(device)):
            out[way.name] = {"skipped": reason}
            continue
        all_of_them = check.on_gpu and not check.small and way is not teams.KERNELS
        for precision in ("fp32", "tf32", "bf16") if all_of_them else teams.KERNEL_PRECISIONS:
            began = time.perf_counter()
            fault = fault_of(way.name, way.make, teams.ALIKE[way.name], precision, device)
            out[f"{way.name}, {precision}"] = {"fault": fault, "seconds": time.perf_counter() - began}
            faults += [f"{way.name}, {precision}: {fault}"] if fault else []
    if check.on_gpu:
        out |= {"used for fp32": [way.name for way in teams.ways(device, recipe(check))], "graphs": graph.allowed()}
    if graphs and not graph.allowed():
        faults.append("steps replayed from CUDA graphs are not those launched one by one")
    if faults:
        out["failed"] = "; ".join(faults)


def seconds_a_step(check: Check, step: Callable[[int, int], None], seconds: float, block: int) -> float:
    """Of ``step(first, count)``: blocks for about ``seconds``, after two to warm up."""
    began, done = time.perf_counter(), 0
    while True:
        step(2 * block + done, block)
        check.wait()
        done += block
        took = time.perf_counter() - began
        if took >= seconds or check.left() < 0:
            return took / done


def training(
    check: Check, way: str, configs: Sequence[Any], seconds: float, block: int, seen: dict[str, Any] | None = None
) -> float:
    """Seconds for one step of all configs (of one scale), patches included; ``seen`` gets power and use meanwhile."""
    from workers.training.precision import applied

    with applied("fp32", check.device):
        step = _stepper(check, way, configs)
        # The second block makes or uses a CUDA graph.
        step(0, block)
        step(block, block)
        check.wait()
        with nullcontext() if seen is None else watched(seen, 0.02 if check.small else 0.5):
            return seconds_a_step(check, step, seconds, block)


def _stepper(check: Check, way: str, configs: Sequence[Any]) -> Callable[[int, int], None]:
    """``step(first, count)`` of configs of one scale."""
    stream = sampler(check, configs[0].scale)
    parts = engine_of(check, way, configs)
    low, _ = stream.batch(0)
    for engine, members in parts:
        for index in range(len(members)):
            engine.whiten(index, low, fresh=True)

    def step(first: int, count: int) -> None:
        low, high = stream.batches(first, count)
        for engine, members in parts:
            if hasattr(engine, "steps"):
                engine.steps(first, low, high, [[1e-4] * len(members)] * count)
                continue
            for at in range(count):
                engine.step(first + at, low[at], high[at], [1e-4] * len(members))

    return step


def rates(check: Check, out: dict[str, Any]) -> None:
    """Config-steps/s of a stratified sample: one by one, under torch.compile, stacked, kernels."""
    from search_space.spaces import select
    from workers.packs.plan import macs

    configs = list(select(tuple(space(check)), sample=6 if check.small else 48, seed=0))
    budget = check.left()
    singles: dict[str, float] = {}
    out["singles"] = singles
    for config in configs:
        singles[config.id] = training(check, "plain", [config], 0.01 if check.small else 0.3, 2)
        if check.left() < 0.55 * budget:
            break
    out |= {"sample": list(singles), "single": len(singles) / sum(singles.values())}
    chosen = [c for c in configs if c.id in singles]
    for way in ("stacked", "kernels") if check.on_gpu else ("stacked",):
        total = 0.0
        for scale in (2, 3, 4):
            mine = [c for c in chosen if c.scale == scale]
            block = 1 if check.small else 25
            total += training(check, way, mine, 0.02 if check.small else 2.0, block) if mine else 0.0
        out[way] = len(chosen) / total
    few = sorted({(c.family, c.scale): c for c in chosen}.values(), key=macs)[: 1 if check.small else 6]
    _compiled(check, few, out)


def _compiled(check: Check, few: Sequence[Any], out: dict[str, Any]) -> None:
    """The same one by one under torch.compile; what it cannot compile is named and costs nothing else."""
    import torch

    from workers.training import train

    plain = train.initial_module
    compiled: dict[str, float] = {}
    out |= {"compiled": None, "compiled_of": compiled, "not_compiled": {}}

    def compiled_module(config: Any, seed: int) -> Any:
        module = plain(config, seed)
        module.compile(backend="eager" if check.small else "inductor")
        return module

    train.initial_module = compiled_module
    try:
        for config in few:
            if not check.small and check.left() < 15:
                break
            torch.compiler.reset()
            try:
                compiled[config.id] = training(check, "plain", [config], 0.01 if check.small else 0.5, 5)
            except Exception as error:
                out["not_compiled"][config.id] = f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        train.initial_module = plain
    if compiled:
        singles = out["singles"]
        out["compiled"] = out["single"] * sum(singles[name] for name in compiled) / sum(compiled.values())


def whole_space(check: Check, out: dict[str, Any]) -> None:
    """Real steps of all configs at once, the fastest way that proved itself; with power and energy."""
    import torch

    from workers.packs import teams

    way = teams.ways(torch.device(check.device), recipe(check))[0].name if check.on_gpu else "stacked"
    out |= {"way": way, "configs": 0}
    total, energy = 0.0, 0.0
    for scale in (2, 3, 4):
        configs = space(check, scale)
        seen: dict[str, Any] = {}
        took = training(check, way, configs, 0.05 if check.small else 8.0, 1 if check.small else 50, seen)
        out[f"x{scale}"] = {"configs": len(configs), "seconds_a_step": took, **seen}
        out["configs"] += len(configs)
        total += took
        energy += took * _watts(seen)
    steps = recipe(check).steps
    out |= {
        "seconds_a_step": total, "config_steps_per_s": out["configs"] / total, "steps": steps,
        "joules_a_config_step": energy / out["configs"] or None,
        "projected_hours_paper_sweep": total * steps / 3600 if out["configs"] == SPACE else None,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if check.on_gpu else None,
    }  # fmt: skip


def _watts(seen: dict[str, Any]) -> float:
    """Mean power by the energy counter, else by nvidia-smi; 0 where neither can be read."""
    return float(seen["energy_j"] / seen["seconds"] if seen["energy_j"] else seen["power_w"] or 0.0)
