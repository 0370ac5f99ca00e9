"""A small sweep in a real store: every family, two devices, one failure, one model still to do."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from results_db.store import Store
from search_space import parse_id
from search_space.config import Config
from search_space.costs.describe import describe
from search_space.facts import Artifact, Done, Failed, Failure, Quality, Speed, TrialKey
from search_space.spaces import load_space
from workers.training import weights

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[3] / "shared"))
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def shared(name: str) -> Path:
    """A file of the development material; skips the test where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the development material is not here ({name})")
    return path


def qualities(config: Config) -> tuple[Quality, ...]:
    """Figures that grow with the size of the model, and never twice the same."""
    base = {2: 33.7, 3: 30.4, 4: 28.4}[config.scale]
    wobble = int(hashlib.sha256(config.id.encode()).hexdigest()[:4], 16) / 65536
    gain = 0 if config.family == "Bicubic" else 0.35 * math.log(describe(config).parameters / 20) + 0.3 * wobble
    return (
        Quality(config.id, "Set5", "psnr", base + gain, "dB", "y-test"),
        Quality(config.id, "Set14", "psnr", base - 3 + 0.8 * gain, "dB", "y-test"),
        Quality(config.id, "Set5", "ssim", 0.85 + gain / 40, "", "y-test"),
    )


def speed(config: Config, device: str) -> Speed:
    """Slower with more arithmetic; the second device measures no power."""
    seconds = 1e-3 + describe(config).macs_full_hd / (4e10 if device == "board" else 1e12)
    power = 2 + math.log10(describe(config).macs_full_hd) / 3 if device == "board" else None
    return Speed(config.id, device, "eager", "fp32", "fullhd14", 1 / seconds, seconds, power_w=power)


def artifact(config: Config) -> Artifact:
    """Weights of the model as it starts."""
    import torch

    torch.manual_seed(7)
    data = weights.to_bytes(config.build())
    return Artifact("weights", data, hashlib.sha256(data).hexdigest())


def finish(store: Store, sweep: int, count: int | None = None, measured: bool = True, trained: bool = True) -> None:
    """Finish the next ``count`` trials of a sweep, with weights and speeds."""
    waiting = [row.id for row in store.missing(sweep)][:count]
    done = []
    for claim in store.claim(waiting, "test", 60):
        config = parse_id(claim.key.config)
        files = (artifact(config),) if trained else ()
        done.append(Done(claim.trial, claim.attempt, qualities(config), files, 2.5, 100, "node-1"))
    store.record(done)
    if measured:
        configs = [parse_id(one.quality[0].config) for one in done]
        store.add_speeds([speed(config, device) for config in configs for device in ("board", "laptop")])


def fail(store: Store, sweep: int, error: str = "CUDA out of memory") -> None:
    """Fail the next trial."""
    (claim,) = store.claim([store.missing(sweep)[0].id], "test", 60)
    store.record([Failed(claim.trial, claim.attempt, Failure.OOM, error, "Traceback: ...", "node-2", 0.5)])


def plan(store: Store, name: str = "demo", configs: tuple[Config, ...] | None = None) -> int:
    """A sweep of the demo space (or ``configs``), nothing done."""
    configs = load_space("demo").configs if configs is None else configs
    sweep = store.create_sweep(name, "demo", '{"steps": 100}', "abc1234")
    store.plan(sweep, [TrialKey(config.id, 0, "recipe", "data", "code") for config in configs])
    return sweep


def half_done(path: Path) -> Path:
    """The store most tests read: 30 planned, 28 done, 1 failed, 1 waiting."""
    with Store.open(str(path)) as store:
        sweep = plan(store)
        finish(store, sweep, 28)
        fail(store, sweep)
    return path


def worse(figures: tuple[Quality, ...], by: float) -> tuple[Quality, ...]:
    """The same figures, ``by`` lower."""
    return tuple(replace(one, value=one.value - by) for one in figures)
