"""One command for the day there is a GPU: is everything right on it, and how fast is it?

    python benchmarks/gpu_check.py --minutes 9 --out build/gpu_check
    python benchmarks/gpu_check.py --device cpu --minutes 1 --out build/dry   # only whether the script runs
    python benchmarks/gpu_check.py --small --minutes 2 --out build/small      # the same on a GPU, with tiny sizes

Needs a checkout, torch 2.11 or later and numpy, no network. Stages run in the order of STAGES, each with a share of
the time; each writes OUT/<stage>.json as soon as it is done, so that a run that is cut off leaves what it found. A
stage that fails, finds a wrong result, or takes too long, is recorded as failed with what it had found, and the next
one begins; a call that cannot be broken off ends the run. After every stage OUT/gpu_check.json holds all of them, and
OUT/fused_training_gpu.json the training rates. Status 0: nothing failed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._gpu_frames import frames  # noqa: E402
from benchmarks._gpu_session import Check, OutOfTime, sampler  # noqa: E402
from benchmarks._gpu_training import compile_kernels, engines, rates, whole_space  # noqa: E402
from benchmarks._gpu_watch import smi, watched  # noqa: E402

STAGES = {"idle": 0.01, "start": 0.04, "card": 0.01, "ready": 0.01, "patches": 0.03, "compile": 0.25, "engines": 0.1,
          "rates": 0.2, "whole_space": 0.13, "frames": 0.22}  # fmt: skip
"""Each stage's share of the minutes; what a stage leaves goes to those after it."""
GRACE_S = 5.0
"""What a stage may take above its time before it is broken off."""
HUNG_S = 10.0
"""What it may take above that: a call that never returns to Python keeps the alarm waiting, and then the run ends."""


def idle(check: Check, out: dict[str, Any]) -> None:
    """Power before this process has a context on the GPU."""
    with watched(out, 0.1 if check.small else 0.3):
        time.sleep(0.3 if check.small else 3)


def start(check: Check, out: dict[str, Any]) -> None:
    """Imports and the context on the GPU. Never broken off: half an import or context would spoil all that follows."""
    began = time.monotonic()
    import torch

    for name in ("torch._dynamo", "workers.packs.teams", *(["triton.language"] if check.on_gpu else [])):
        with suppress(ImportError):
            import_module(name)
    out["import_seconds"] = time.monotonic() - began
    began = time.monotonic()
    torch.ones(1024, device=check.device).sum().item()
    out["context_seconds"] = time.monotonic() - began


def ready(check: Check, out: dict[str, Any]) -> None:
    """Power with a context and nothing to do: what an energy above idle is counted from."""
    time.sleep(0.1 if check.small else 1)
    idle(check, out)


def card(check: Check, out: dict[str, Any]) -> None:
    """Card, driver, versions, and what the host is."""
    import numpy
    import torch

    from workers.device_model import cuda_state

    out |= {
        "torch": torch.__version__, "numpy": numpy.__version__, "python": platform.python_version(),
        "cuda": torch.version.cuda, "system": platform.platform(), "cores": os.cpu_count(), "nvidia_smi": smi(),
        "at_start": None if (state := cuda_state(check.device)) is None else vars(state),
    }  # fmt: skip
    try:
        import triton

        out["triton"] = triton.__version__
    except ImportError:
        out["triton"] = None
    if check.on_gpu:
        properties = torch.cuda.get_device_properties(0)
        out["gpu"] = {
            "name": properties.name, "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count, "memory_bytes": properties.total_memory,
        }  # fmt: skip


def patches(check: Check, out: dict[str, Any]) -> None:
    """The stream of patches is the CPU's bit for bit."""
    import torch

    for scale in (2, 3, 4):
        here, there = sampler(check, scale, "cpu"), sampler(check, scale)
        low, high = here.batches(0, 8)
        its_low, its_high = there.batches(0, 8)
        out[f"x{scale}"] = bool(torch.equal(low, its_low.cpu()) and torch.equal(high, its_high.cpu()))
    out["equal"] = all(out.values())
    if not out["equal"]:
        out["failed"] = "patches on the device are not those of the CPU"


RUN: dict[str, Callable[[Check, dict[str, Any]], None]] = {
    "idle": idle, "start": start, "card": card, "ready": ready, "patches": patches,
    "compile": compile_kernels, "engines": engines, "rates": rates, "whole_space": whole_space, "frames": frames,
}  # fmt: skip


def write(check: Check, name: str, content: Any) -> None:
    check.out.mkdir(parents=True, exist_ok=True)
    path = check.out / f"{name}.json"
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


def write_all(check: Check) -> None:
    """What all stages found so far."""
    write(check, "gpu_check", {**check.header, **check.found})
    write(check, "fused_training_gpu", {**check.header, **training_record(check)})


def end_hung(check: Check, name: str, result: dict[str, Any]) -> None:
    """From a thread, while the stage never comes back: write what there is, and end the process with status 3."""
    check.found[name] = {**result, "failed": "hung"}
    write(check, name, check.found[name])
    write_all(check)
    print(f"{name}: hung; the run ends here", flush=True)
    os._exit(3)


def run_stage(check: Check, name: str, seconds: float) -> None:
    """A stage within its time; what goes wrong is its result."""
    check.deadline = time.monotonic() + seconds

    def over(*_: Any) -> None:
        raise OutOfTime(f"{name} took longer than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, over)
    # Stages look at the clock themselves; this is for one that does not.
    if name != "start":
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_S)
    began, result = time.monotonic(), dict[str, Any]()
    patience = seconds if name != "start" else max(seconds, 60 * check.minutes)
    watchdog = threading.Timer(patience + GRACE_S + HUNG_S, end_hung, (check, name, result))
    watchdog.daemon = True
    watchdog.start()
    try:
        RUN[name](check, result)
    except (Exception, OutOfTime) as error:
        result["failed"] = f"{type(error).__name__}: {str(error).strip()[:500]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watchdog.cancel()
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
    parser.add_argument("--small", action="store_true", help="few configs and tiny sizes: only whether it runs")
    parser.add_argument("--quick", action="store_true", help="as --device cpu --minutes 0.5")
    asked = parser.parse_args(argv)
    if asked.quick:
        asked.device, asked.minutes = "cpu", 0.5
    check = Check(asked.device, asked.minutes, asked.out, asked.small or asked.device == "cpu")
    # Asked of the driver, for the first stage reads the idle power before there is a context.
    if check.on_gpu and not smi():
        print("gpu_check: there is no NVIDIA GPU here (nvidia-smi finds none); --device cpu only tries the script",
              file=sys.stderr)  # fmt: skip
        return 2
    check.header = {
        "command": " ".join(["python", *sys.argv]), "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "device": asked.device, "measured_on_a_gpu": check.on_gpu and not check.small,
    }  # fmt: skip
    end = time.monotonic() + 60 * asked.minutes
    for number, name in enumerate(STAGES):
        ahead = sum(list(STAGES.values())[number:])
        run_stage(check, name, max(1.0, (end - time.monotonic()) * STAGES[name] / ahead))
        write_all(check)
    return 1 if any("failed" in found for found in check.found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
