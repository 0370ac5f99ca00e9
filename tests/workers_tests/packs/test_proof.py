"""Engines prove themselves on a made-up GPU before they are used there; those that differ are named."""

from __future__ import annotations

import logging

import pytest
import torch

from search_space import parse_id
from tests.workers_tests.packs.fakecuda import fake_cuda
from tests.workers_tests.packs.interpreted import load_interpreted
from workers.packs import proof, teams
from workers.packs.kernels import graph
from workers.packs.plain_engine import PlainEngine
from workers.packs.stacked_engine import StackedEngine
from workers.training.recipe import LOSSES, recipe_for

load_interpreted()

from workers.packs.kernels.engine import KernelEngine  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_proofs")

RECIPE = recipe_for("smoke").with_changes(steps=3, eps=1e-6, batch=2, patch=9, warmup=0)


def test_an_engine_that_agrees_with_the_reference_is_trusted():
    with fake_cuda():
        chain = teams.ways(torch.device("cuda"), RECIPE)
    assert [way.name for way in chain] == ["kernels", "stacked", "plain"]


@pytest.mark.parametrize("fault", ["differs", "raises"])
def test_an_engine_that_is_wrong_on_the_device_is_left_out_by_name(fault, monkeypatch, caplog):
    def wrong(self, first, low, high, rates):
        if fault == "raises":
            raise RuntimeError("no kernel image is available for execution on the device")

    monkeypatch.setattr(KernelEngine, "steps", wrong)
    monkeypatch.setattr(StackedEngine, "steps", lambda self, *args: None)
    with fake_cuda(), caplog.at_level(logging.WARNING):
        chain = teams.ways(torch.device("cuda"), RECIPE)
    assert [way.name for way in chain] == ["plain"]
    assert "the kernels engine is not used on cuda" in caplog.text
    assert ("no kernel image" in caplog.text) == (fault == "raises")


@pytest.mark.parametrize("name", ["eSR-MAX_s3_K3_C2", "FSRCNN_s4_D6_S1_M1"])
def test_an_engine_that_is_wrong_at_one_scale_is_found(name, monkeypatch):
    """The proof's pack has members of each scale, each with a loss of its own."""
    configs = list(map(parse_id, proof.PACK))
    assert {config.scale for config in configs} == set(proof.LOSS) and set(proof.LOSS.values()) == set(LOSSES)
    scale = parse_id(name).scale
    right = StackedEngine.steps

    def wrong(self, first, low, high, rates):
        right(self, first, low, high * (1.1 if high.shape[-1] == scale * low.shape[-1] else 1.0), rates)

    monkeypatch.setattr(proof, "PACK", ("eSR-MAX_s2_K3_C2", name))
    monkeypatch.setattr(StackedEngine, "steps", wrong)
    with fake_cuda():
        way = teams.STACKED
        fault = proof.fault_of(way.name, way.make, teams.ALIKE[way.name], "fp32", torch.device("cuda"))
    assert fault.startswith(name)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_the_kernels_stay_near_the_reference_in_lower_precisions(precision, monkeypatch):
    """Interpreted, a product of TF32 is one of float32, one of bfloat16 is what it is."""
    monkeypatch.setattr(proof, "PACK", ("eSR-TR_s2_K3_C2", "eSR-CNN_s2_C2_D1_S3", "FSRCNN_s2_D6_S3_M1"))
    device, alike = torch.device("cuda"), teams.ALIKE["kernels"]
    with fake_cuda():
        assert not proof.fault_of("kernels", teams.KERNELS.make, alike, precision, device)

        def lower(modules, recipe, scale, device):
            return teams.KERNELS.make(modules, recipe.with_changes(precision=precision), scale, device)

        taken_for_float32 = proof.fault_of("kernels", lower, alike, "fp32", device)
        assert bool(taken_for_float32) == (precision == "bf16")


def test_the_kernels_are_used_for_float32_only(monkeypatch):
    monkeypatch.setattr(teams, "fault_of", lambda *args, **options: "")
    with fake_cuda():
        for precision in ("fp32", "tf32", "bf16"):
            chain = teams.ways(torch.device("cuda"), RECIPE.with_changes(precision=precision))
            assert (chain[0] is teams.KERNELS) == (precision == "fp32")


def test_plain_steps_that_are_wrong_on_the_device_are_used_with_a_warning(monkeypatch, caplog):
    right = PlainEngine.step

    def wrong(self, step, low, high, rates):
        if low.device.type == "cpu":
            right(self, step, low, high, rates)

    monkeypatch.setattr(proof, "PACK", ("eSR-TM_s3_K3_C2",))
    with fake_cuda(), caplog.at_level(logging.WARNING):
        assert [way.name for way in teams.ways(torch.device("cuda"), RECIPE)] == ["kernels", "stacked", "plain"]
        assert not caplog.text
        proof.fault_of.cache_clear()
        monkeypatch.setattr(PlainEngine, "step", wrong)
        chain = teams.ways(torch.device("cuda"), RECIPE)
    assert [way.name for way in chain] == ["kernels", "stacked", "plain"]
    assert "the plain engine has no other to take over and differs from the reference on cuda" in caplog.text


def test_an_engine_whose_graph_is_wrong_launches_its_steps_one_by_one(monkeypatch, caplog):
    monkeypatch.setattr(proof, "PACK", ("eSR-TM_s2_K3_C2", "ESPCN_s2_D0_S3"))
    with fake_cuda(), caplog.at_level(logging.WARNING):
        monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda self: None)
        chain = teams.ways(torch.device("cuda"), RECIPE, compiled=False)
    assert [way.name for way in chain] == ["stacked", "plain"]
    assert "steps of the stacked engine are not replayed from CUDA graphs" in caplog.text
    assert not graph.allowed()
