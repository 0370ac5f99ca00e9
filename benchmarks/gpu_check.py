"""One command for the day there is a GPU: is everything right on it, and how fast is it?

    python benchmarks/gpu_check.py --minutes 9 --out build/gpu_check
    python benchmarks/gpu_check.py --device cpu --minutes 1 --out build/dry   # only whether the script runs

Needs a checkout, torch 2.11 or later and numpy, no network. Stages run in the order of STAGES, each with a share of
the time; each writes OUT/<stage>.json as soon as it is done, so that a run that is cut off leaves what it found. A
stage that fails is recorded as failed and the next one begins. At the end (and after every stage) OUT/gpu_check.json
holds all of them, and OUT/fused_training_gpu.json the training rates.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

STAGES = {"idle": 0.02, "card": 0.01, "patches": 0.03, "compile": 0.25, "engines": 0.1, "rates": 0.2,
          "whole_space": 0.14, "frames": 0.25}  # fmt: skip
"""Each stage's share of the minutes; what a stage leaves goes to those after it."""
SPACE = 1182
SMI = "name,driver_version,power.draw,clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,utilization.gpu,memory.total"


class OutOfTime(Exception):
    """A stage's deadline has passed."""


@dataclass
class Check:
    """What the stages share."""

    device: str
    minutes: float
    out: Path
    found: dict[str, Any] = field(default_factory=dict)
    deadline: float = 0.0

    @property
    def dry(self) -> bool:
        """Without a GPU: small, and of no worth as a measurement."""
        return self.device == "cpu"

    def left(self) -> float:
        """Seconds left to the stage."""
        return self.deadline - time.monotonic()


def smi() -> dict[str, str]:
    """What nvidia-smi says of the first GPU now: asks the driver, makes no context."""
    command = ["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(SMI.split(","), (part.strip() for part in done.stdout.split(",")), strict=False))


@contextmanager
def watched(every: float = 0.5) -> Iterator[dict[str, Any]]:
    """Power and use of the GPU while the block runs, by nvidia-smi on a thread of its own."""
    seen: list[dict[str, str]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            seen.append(smi())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    out: dict[str, Any] = {}
    began = time.perf_counter()
    try:
        yield out
    finally:
        stop.set()
        thread.join(timeout=30)
        out["seconds"] = time.perf_counter() - began
        for name, key in (("power_w", "power.draw"), ("used_percent", "utilization.gpu"), ("clock_mhz", "clocks.sm")):
            numbers = [float(one[key]) for one in seen if one.get(key, "").replace(".", "", 1).isdigit()]
            out[name] = sum(numbers) / len(numbers) if numbers else None
        out["looks"] = len(seen)


def idle(check: Check) -> dict[str, Any]:
    """Power before this process has a context on the GPU."""
    with watched(0.3) as seen:
        time.sleep(0.2 if check.dry else 3)
    return seen


def card(check: Check) -> dict[str, Any]:
    """Card, driver, versions, and what the host is."""
    import numpy
    import torch

    out: dict[str, Any] = {
        "torch": torch.__version__, "numpy": numpy.__version__, "python": platform.python_version(),
        "cuda": torch.version.cuda, "system": platform.platform(), "cores": os.cpu_count(), "nvidia_smi": smi(),
        "allow_tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }  # fmt: skip
    try:
        import triton

        out["triton"] = triton.__version__
    except ImportError:
        out["triton"] = None
    if not check.dry:
        properties = torch.cuda.get_device_properties(0)
        out["gpu"] = {
            "name": properties.name, "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count, "memory_bytes": properties.total_memory,
        }  # fmt: skip
    return out


def made_up_images() -> Any:
    """Photograph-like images without a decoder: smooth, with edges and noise."""
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    from workers.data.image_set import ImageSet

    generator = torch.Generator().manual_seed(0)
    pixels = []
    for side in (320, 400):
        coarse = torch.rand(1, 3, 12, 12, generator=generator)
        image = interpolate(coarse, (side, side), mode="bicubic") + 0.05 * torch.rand(
            1, 3, side, side, generator=generator
        )
        pixels.append((image.clamp(0, 1)[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy().astype(np.uint8))
    return ImageSet("made-up", ("a", "b"), tuple(pixels))


def recipe(check: Check) -> Any:
    from workers.training.recipe import recipe_for

    whole = recipe_for("paper")
    return whole.with_changes(batch=1, patch=12) if check.dry else whole


def sampler(check: Check, scale: int, device: str | None = None) -> Any:
    from workers.training.patches import PatchSampler

    used = recipe(check)
    return PatchSampler(made_up_images(), scale, used.patch, used.batch, 0, device or check.device)


def patches(check: Check) -> dict[str, Any]:
    """The stream of patches is the CPU's bit for bit."""
    import torch

    out: dict[str, Any] = {}
    for scale in (2, 3, 4):
        here, there = sampler(check, scale, "cpu"), sampler(check, scale)
        low, high = here.batches(0, 8)
        its_low, its_high = there.batches(0, 8)
        out[f"x{scale}"] = bool(torch.equal(low, its_low.cpu()) and torch.equal(high, its_high.cpu()))
    out["equal"] = all(out.values())
    return out


def space(check: Check, scale: int | None = None) -> list[Any]:
    from search_space.spaces import load_space, select

    configs = [c for c in load_space("paper").configs if c.family != "Bicubic"]
    if check.dry:
        configs = list(select(tuple(configs), sample=12, seed=0))
    return [c for c in configs if scale is None or c.scale == scale]


def engine_of(check: Check, way: str, configs: Sequence[Any]) -> list[tuple[Any, list[int]]]:
    """(engine, members) that train all configs of one scale one way."""
    import torch

    from workers.packs import teams
    from workers.training.train import initial_module

    modules = [initial_module(config, 0) for config in configs]
    wanted = {"kernels": teams.KERNELS, "stacked": teams.STACKED, "plain": teams.PLAIN}[way]
    parts = teams.build_by(wanted, modules, configs, recipe(check), torch.device(check.device))
    return [(part.make(), part.members) for part in parts]


def compile_kernels(check: Check) -> dict[str, Any]:
    """Every kernel that the whole space launches, compiled by as many threads as there are cores."""
    if check.dry:
        return {"skipped": "kernels are for CUDA devices"}
    import torch

    from workers.packs.kernels import launch
    from workers.packs.kernels.available import why_no_kernels

    reason = why_no_kernels(torch.device("cuda"))
    if reason:
        return {"skipped": reason}
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
    began = time.perf_counter()

    def build(call: tuple[Any, ...]) -> float:
        kernel, grid, arguments, constants = call
        torch.cuda.set_device(0)
        started = time.perf_counter()
        kernel.warmup(*arguments, grid=grid, num_stages=launch.STAGES, **{"num_warps": 4, **constants})
        return time.perf_counter() - started

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        each = list(pool.map(build, calls.values()))
    return {"variants": len(calls), "seconds": time.perf_counter() - began, "longest": max(each), "sum": sum(each)}


def engines(check: Check) -> dict[str, Any]:
    """Every engine against the CPU reference on a tiny pack; empty where it agrees."""
    import torch

    from workers.packs import teams
    from workers.packs.proof import fault_of

    out: dict[str, Any] = {}
    device = torch.device(check.device)
    chain = [teams.STACKED, teams.PLAIN] if check.dry else [teams.KERNELS, teams.STACKED, teams.PLAIN]
    for way in chain:
        for precision in ("fp32",) if check.dry else ("fp32", "tf32", "bf16"):
            began = time.perf_counter()
            fault = fault_of(way.name, way.make, teams.ALIKE[way.name], precision, device)
            out[f"{way.name}, {precision}"] = {"fault": fault, "seconds": time.perf_counter() - began}
    if not check.dry:
        out["used for fp32"] = [way.name for way in teams.ways(device, recipe(check))]
    return out


def wait(check: Check) -> None:
    if not check.dry:
        import torch

        torch.cuda.synchronize()


def seconds_a_step(check: Check, step: Callable[[int, int], None], seconds: float, block: int) -> float:
    """Of ``step(first, count)``: a block to warm up, then blocks for about ``seconds``."""
    step(0, block)
    wait(check)
    began, done = time.perf_counter(), 0
    while True:
        step(block + done, block)
        wait(check)
        done += block
        took = time.perf_counter() - began
        if took >= seconds or check.left() < 0:
            return took / done


def training(check: Check, way: str, configs: Sequence[Any], seconds: float, block: int) -> float:
    """Seconds for one step of all configs (of one scale), patches included."""
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

    return seconds_a_step(check, step, seconds, block)


def rates(check: Check) -> dict[str, Any]:
    """Config-steps/s of a stratified sample: one by one, under torch.compile, stacked, kernels."""
    import torch

    from search_space.spaces import select
    from workers.packs.plan import macs
    from workers.training import train

    configs = list(select(tuple(space(check)), sample=6 if check.dry else 48, seed=0))
    budget = check.left()
    singles: dict[str, float] = {}
    for config in configs:
        singles[config.id] = training(check, "plain", [config], 0.01 if check.dry else 0.3, 2)
        if check.left() < 0.55 * budget:
            break
    out: dict[str, Any] = {"sample": list(singles), "single": len(singles) / sum(singles.values()), "singles": singles}
    chosen = [c for c in configs if c.id in singles]
    for way in ("stacked",) if check.dry else ("stacked", "kernels"):
        total = 0.0
        for scale in (2, 3, 4):
            mine = [c for c in chosen if c.scale == scale]
            total += training(check, way, mine, 0.02 if check.dry else 2.0, 1 if check.dry else 25) if mine else 0.0
        out[way] = len(chosen) / total
    few = sorted({(c.family, c.scale): c for c in chosen}.values(), key=macs)[: 1 if check.dry else 6]
    plain = train.initial_module
    compiled: dict[str, float] = {}

    def compiled_module(config: Any, seed: int) -> Any:
        module = plain(config, seed)
        module.compile()
        return module

    train.initial_module = compiled_module
    try:
        for config in few:
            if check.dry or check.left() < 15:
                break
            torch.compiler.reset()
            compiled[config.id] = training(check, "plain", [config], 0.5, 5)
    finally:
        train.initial_module = plain
    out["compiled"] = (
        out["single"] * sum(singles[name] for name in compiled) / sum(compiled.values()) if compiled else None
    )
    out["compiled_of"] = compiled
    return out


def whole_space(check: Check) -> dict[str, Any]:
    """Real steps of all configs at once, the fastest way that proved itself; with power and energy."""
    import torch

    from workers.packs import teams

    way = "stacked" if check.dry else teams.ways(torch.device(check.device), recipe(check))[0].name
    out: dict[str, Any] = {"way": way, "configs": 0}
    total = energy = 0.0
    for scale in (2, 3, 4):
        configs = space(check, scale)
        with watched() as seen:
            took = training(check, way, configs, 0.05 if check.dry else 8.0, 1 if check.dry else 50)
        out[f"x{scale}"] = {"configs": len(configs), "seconds_a_step": took, **seen}
        out["configs"] += len(configs)
        total += took
        energy += took * (seen["power_w"] or 0.0)
    steps = recipe(check).steps
    out |= {
        "seconds_a_step": total, "config_steps_per_s": out["configs"] / total, "steps": steps,
        "joules_a_config_step": energy / out["configs"] or None,
        "projected_hours_paper_sweep": total * steps / 3600 if out["configs"] == SPACE else None,
        "peak_memory_bytes": None if check.dry else torch.cuda.max_memory_allocated(),
    }  # fmt: skip
    return out


def frames(check: Check) -> dict[str, Any]:
    """FP16 seconds per Full-HD frame, eager and by a CUDA graph; any start of the order is a fair sample."""
    import torch

    from search_space.spaces import load_space
    from workers.backends import Job, find

    configs = list(load_space("paper").configs)
    random.Random(0).shuffle(configs)
    rows: dict[str, dict[str, float | str]] = {}
    precision = "fp32" if check.dry else "fp16"
    for config in configs:
        if check.left() < 3 or (check.dry and len(rows) == 3):
            break
        size = (24, 32) if check.dry else (1080 // config.scale, 1920 // config.scale)
        row: dict[str, float | str] = {}
        for name in ("eager",) if check.dry else ("eager", "cudagraph"):
            job = Job(config.id, config.build().eval(), config.scale, torch.rand(1, 1, *size), precision, check.device)
            try:
                row[name] = frame_seconds(check, find(name).prepare(job))
            except Exception as error:
                row[name] = f"{type(error).__name__}: {str(error)[:120]}"
        rows[config.id] = row
    return {"precision": precision, "measured": len(rows), "of": len(configs), "seconds_a_frame": rows}


def frame_seconds(check: Check, frame: Callable[[], Any], count: int = 20) -> float:
    """The median of some times of ``count`` frames between two events: no launch from an idle GPU is in them."""
    import torch

    for _ in range(3):
        frame()
    wait(check)
    times: list[float] = []
    for _ in range(5):
        if check.dry:
            began = time.perf_counter()
            frame()
            times.append(time.perf_counter() - began)
            continue
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            frame()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000 / count)
    return sorted(times)[len(times) // 2]


RUN: dict[str, Callable[[Check], dict[str, Any]]] = {
    "idle": idle, "card": card, "patches": patches, "compile": compile_kernels, "engines": engines, "rates": rates,
    "whole_space": whole_space, "frames": frames,
}  # fmt: skip


def write(check: Check, name: str, content: Any) -> None:
    check.out.mkdir(parents=True, exist_ok=True)
    path = check.out / f"{name}.json"
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


def run_stage(check: Check, name: str, seconds: float) -> None:
    """A stage within its time; what goes wrong is its result."""
    check.deadline = time.monotonic() + seconds

    def over(*_: Any) -> None:
        raise OutOfTime(f"{name} took longer than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(
        signal.ITIMER_REAL, seconds + 5
    )  # stages look at the clock themselves; this is for one that does not
    began = time.monotonic()
    try:
        result = RUN[name](check)
    except Exception as error:
        result = {"failed": f"{type(error).__name__}: {str(error).strip()[:500]}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    result["stage_seconds"] = round(time.monotonic() - began, 2)
    check.found[name] = result
    write(check, name, result)
    print(f"{name}: {result.get('failed', 'done')} ({result['stage_seconds']} s)", flush=True)


def training_record(check: Check) -> dict[str, Any]:
    """``fused_training_gpu.json``."""
    found, whole = check.found.get("rates", {}), check.found.get("whole_space", {})
    fused = found.get("kernels") or found.get("stacked")
    return {
        "sample": found.get("sample"),
        "config_steps_per_s": {
            "single": found.get("single"), "compiled": found.get("compiled"), "tune": None, "fused": fused,
            "stacked": found.get("stacked"),
        },
        "ratio_fused_single": fused / found["single"] if fused and found.get("single") else None,
        "projected_hours_paper_sweep": whole.get("projected_hours_paper_sweep"),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=Path("build/gpu_check"))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="as --device cpu --minutes 0.5")
    asked = parser.parse_args(argv)
    if asked.quick:
        asked.device, asked.minutes = "cpu", 0.5
    check = Check(asked.device, asked.minutes, asked.out)
    # Asked of the driver, for the first stage reads the idle power before there is a context.
    if not check.dry and not smi():
        print("gpu_check: there is no NVIDIA GPU here (nvidia-smi finds none); --device cpu only tries the script",
              file=sys.stderr)  # fmt: skip
        return 2
    header = {
        "command": " ".join(["python", *sys.argv]), "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "device": asked.device, "measured_on_a_gpu": not check.dry,
    }  # fmt: skip
    end = time.monotonic() + 60 * asked.minutes
    for number, name in enumerate(STAGES):
        ahead = sum(list(STAGES.values())[number:])
        run_stage(check, name, max(1.0, (end - time.monotonic()) * STAGES[name] / ahead))
        write(check, "gpu_check", {**header, **check.found})
        write(check, "fused_training_gpu", {**header, **training_record(check)})
    return 1 if any("failed" in found for found in check.found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
