"""The stored projection is of today's kernels and says what it must; its reckoning on machine code made by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks._cubins import Call
from benchmarks._gpu_reckoning import dynamic_instructions, memory_bytes, tensor_macs, trips
from workers.packs.engine import files_digest

ROOT = Path(__file__).parents[2]
MOST_SPILLED = 64


@pytest.fixture(scope="module")
def stored():
    return json.loads((ROOT / "benchmarks/results/gpu_projection.json").read_text())


def test_the_stored_projection_is_of_todays_kernels(stored):
    again = "run benchmarks/gpu_projection.py again, as its first lines say"
    assert stored["sources"] == files_digest(("kernels/*.py",)), again
    assert not stored["git"].endswith("+") and stored["configs"] == 1182


def test_the_stored_projection_holds_what_was_promised(stored):
    assert stored["measured_on_a_gpu"] is False
    assert 50 < stored["kernels_per_step"] <= 1000
    assert stored["kernels_per_step"] < stored["launches_per_step_with_those_of_torch"] <= 1000
    assert stored["syncs_per_step"] == 0
    assert stored["bytes_per_step"] > 1e9 and stored["flops_per_step"] > 1e11
    assert stored["limit_minutes"]["tf32x3"] / 60 < stored["projected_hours_paper_sweep"] < 1
    assert 1 / 3 <= stored["second_reckoning"]["ratio_of_the_two"] <= 3
    assert stored["assumptions"]["card"]["sms"] == 132 and stored["assumptions"]["steps"] == 100_000
    assert max(stored["spills"].values()) <= MOST_SPILLED


def test_what_the_triton_that_comes_with_torch_for_cuda_spills_is_known(stored):
    """More than is allowed, in the one-layer kernels that hold most: smaller tiles would cost more instructions."""
    pinned = re.search(r"^triton==([\d.]+)", (ROOT / "docker/requirements/cuda.txt").read_text(), re.MULTILINE)
    by_triton = stored["spills_by_triton"]
    assert {pinned[1], stored["versions"]["triton"]} <= set(by_triton)
    assert by_triton[stored["versions"]["triton"]]["variants"] == len(stored["variants"])
    assert not by_triton[stored["versions"]["triton"]]["above_the_limit"]
    theirs = by_triton[pinned[1]]
    assert theirs["variants"] >= 64 and max(theirs["sm_90"], theirs["sm_80"]) <= 1024
    for variant in theirs["above_the_limit"]:
        constants = variant["constants"]
        assert variant["kernel"] == "one_layer_steps" and constants["KIND"] > 0, variant
        assert (constants["KIND"], constants["T"]) in {(2, 64), (2, 32), (1, 64)}, variant


NESTED = """
        /*0000*/                   IMAD.MOV.U32 R1, RZ, RZ, c[0x0][0x28] ;   /* 0x00000a00ff017624 */
        /*0010*/               @P2 BRA 0x60 ;
        /*0020*/                   LDG.E R2, [R4] ;
        /*0030*/                   FFMA R3, R2, R2, R3 ;
        /*0040*/              @!P0 BRA 0x30 ;
        /*0050*/               @P1 BRA 0x20 ;
        /*0060*/                   EXIT ;
"""
BESIDE = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   FFMA R3, R2, R2, R3 ;
        /*0020*/              @!P0 BRA 0x10 ;
        /*0030*/                   LDG.E R2, [R4] ;
        /*0040*/                   FADD R3, R2, R3 ;
        /*0050*/             @!UP1 BRA.U 0x30 ;
        /*0060*/                   EXIT ;
"""


def test_instructions_of_nested_loops_are_counted_as_often_as_both_go_round():
    assert dynamic_instructions(NESTED, [5, 7]) == 3 + 5 * 2 + 5 * 7 * 2
    assert dynamic_instructions(NESTED, [1, 1]) == 7
    assert dynamic_instructions(NESTED, [4]) == 3 + 4 * 4, "one number: the loops are one"
    assert dynamic_instructions(NESTED, [5, 7], ("FFMA", "IMAD")) == 1 + 5 * 7


def test_instructions_of_loops_beside_each_other_are_counted_apart():
    assert dynamic_instructions(BESIDE, [3, 11]) == 2 + 2 * 3 + 3 * 11


def call(name, grid, constants, **arguments):
    kernel = SimpleNamespace(__name__=name, arg_names=[*arguments, *constants])
    return Call(kernel, grid, tuple(arguments.values()), constants)


def test_a_one_layer_launch_is_reckoned_by_its_steps_and_tiles():
    constants = {"KIND": 1, "T": 16, "N": 32, "P": 64}
    launch = call("one_layer_steps", (4, 2), constants, steps=50, pixels=200)
    assert trips(launch) == [50, 4] and launch.programs == 8
    # Value and key, forward and gradient, three products of TF32 each.
    assert tensor_macs(launch, trips(launch)) == 50 * 4 * (64 * 16 * 32) * 2 * 2 * 3


def test_a_layer_of_unlike_networks_is_reckoned_by_the_mean_of_their_inputs():
    table = torch.zeros(2, 12, dtype=torch.int64)
    table[0, 4], table[1, 4] = 4, 20  # inputs: 36 and 180 with their taps, two and six times 32
    table[:, 0], table[:, 1], table[:, 5] = torch.tensor([0, 100]), torch.tensor([200, 300]), 16
    constants = {"KS": 3, "KC": 32, "P": 128, "COUT": 16}
    launch = call("conv_forward", (2, 9), constants, table=table, batch=2, side=10)
    assert trips(launch) == [4]
    assert tensor_macs(launch, trips(launch)) == 4 * (128 * 32 * 16) * 3
    assert memory_bytes(launch) == (4 + 20 + 16 + 16) * 2 * 10**2 * 4
