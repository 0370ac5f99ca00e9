"""Kernels compiled for GPUs that are not here: no variant that can be chosen spills more than 64 bytes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.workers_tests.packs.interpreted import REASON

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason=REASON)
ROOT = Path(__file__).parents[3]
MOST_SPILLED = 64
"""Bytes a thread that a kernel may keep in memory for want of registers."""

# Triton decides when a kernel is defined whether it is interpreted: compiling has a process of its own.
LAUNCHED = """
import json
import torch
from benchmarks._cubins import compiled, recorded
from benchmarks._training import sample
from search_space import parse_id
from workers.packs.kernels.engine import KernelEngine
from workers.training.recipe import LOSSES, recipe_for
from workers.training.train import initial_module


def launch_all(configs, recipe):
    for scale in {config.scale for config in configs}:
        modules = [initial_module(c, 0) for c in configs if c.scale == scale]
        engine = KernelEngine(modules, recipe, scale, "cpu")
        low, high = torch.zeros(1, 1, 1, 9, 9), torch.zeros(1, 1, 1, 9 * scale, 9 * scale)
        engine.steps(0, low, high, [[1e-3] * len(modules)])


small = {"batch": 1, "patch": 9}
with recorded() as calls:
    launch_all(sample(240), recipe_for("paper").with_changes(**small))
    for loss in LOSSES:
        launch_all(sample(48), recipe_for("evening").with_changes(**small, loss=loss))
    launch_all([parse_id("eSR-CNN_s3_C16_D1_S3")], recipe_for("paper").with_changes(**small, loss="l1"))
variants = {call.variant: call for call in calls}
one = next(call for call in calls if call.name == "turn_white")
code = compiled(one, 90)
print(json.dumps({
    "variants": [[name, dict(constants)] for name, constants in variants],
    "turn_white": [dict(one.constants), code.registers, code.spills],
}))
"""


@pytest.fixture(scope="module")
def projection():
    return json.loads((ROOT / "benchmarks/results/gpu_projection.json").read_text())


@pytest.fixture(scope="module")
def stored(projection):
    return {json.dumps([v["kernel"], v["constants"]], sort_keys=True): v for v in projection["variants"]}


@pytest.fixture(scope="module")
def launched():
    # Other tests of this process interpret the kernels; here they are compiled.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", LAUNCHED]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_variant_that_a_pack_launches_was_compiled_for_both_generations(stored, launched):
    missing = [v for v in launched["variants"] if json.dumps(v, sort_keys=True) not in stored]
    assert len(launched["variants"]) > 40
    assert not missing, "run benchmarks/gpu_projection.py again"
    assert all({"sm_90", "sm_80"} <= set(v) for v in stored.values())


def test_no_variant_spills(stored):
    spilled = {
        (v["kernel"], v["constants"].get("KIND"), capability): v[capability]["spills"]
        for v in stored.values()
        for capability in ("sm_90", "sm_80")
        if v[capability]["spills"] > MOST_SPILLED
    }
    assert not spilled


def test_each_loss_was_compiled_for_each_kernel_that_knows_one(stored):
    chosen = [v["constants"] for v in stored.values() if "LOSS" in v["constants"]]
    shapes = {tuple(sorted((k, v) for k, v in one.items() if k != "LOSS")) for one in chosen}
    assert len(shapes) >= 25 and len(chosen) == 3 * len(shapes) and {one["LOSS"] for one in chosen} == {0, 1, 2}


def test_the_stored_registers_are_those_of_todays_code(projection, stored, launched):
    here, there = version("triton"), projection["versions"]["triton"]
    if here != there:
        pytest.skip(f"Triton {here} is here, and Triton {there} gave the stored registers")
    constants, registers, spills = launched["turn_white"]
    known = stored[json.dumps(["turn_white", constants], sort_keys=True)]["sm_90"]
    assert (registers, spills) == (known["registers"], known["spills"])
