"""Packs on a made-up GPU: the same results, no waiting for the device inside a step, and few launches."""

from __future__ import annotations

import contextlib

import pytest
import torch

from search_space import parse_id
from tests.workers_tests.packs.fakecuda import COUNTS, CudaTensor, fake_cuda
from tests.workers_tests.packs.interpreted import load_interpreted
from workers.data.datasets import resolve
from workers.packs import Member, teams, train_pack
from workers.packs.stacked_engine import StackedEngine
from workers.training import train as training
from workers.training.patches import PatchSampler
from workers.training.recipe import recipe_for
from workers.training.train import Trained, initial_module

load_interpreted()

from workers.packs.kernels.engine import KernelEngine  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_proofs")

RECIPE = recipe_for("smoke").with_changes(steps=3, eps=1e-6, batch=2, patch=9, warmup=0)
KERNELS_PER_STEP = 1000
"""Launches that a step of the paper's whole space may take with kernels of our own."""
STACKED_KERNELS_PER_STEP = 7000
"""The same in stacked torch operations."""
WHITE_LAUNCHES = 65
"""Launches per network that new white inputs may take, every 500 steps."""


@pytest.fixture(scope="module")
def photographs():
    return resolve("embedded-train")


@pytest.fixture
def trusting(monkeypatch):
    """Engines are used without the tiny pack that proves them, which has tests of its own."""
    monkeypatch.setattr(teams, "fault_of", lambda *args, **options: "")


def assert_same(packed, expected):
    for one, other in zip(packed, expected, strict=True):
        assert isinstance(one, Trained), one
        for x, y in zip(one.module.parameters(), other.module.parameters(), strict=True):
            assert not isinstance(x, CudaTensor)
            torch.testing.assert_close(x, y, atol=2e-4, rtol=1e-3)


def test_the_made_up_gpu_raises_where_a_real_one_would():
    with fake_cuda() as counts:
        x = torch.ones(3, device="cuda")
        assert x.device.type == "cuda" and counts.launches == 1
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            x.numpy()


def test_the_made_up_gpu_counts_where_the_host_waits():
    with fake_cuda() as counts:
        x = torch.zeros(3, device="cuda")
        y = torch.ones(3).pin_memory().to("cuda", non_blocking=True)
        (x + y).mul_(2)
        assert not counts.syncs
        float(x.sum())
        x.cpu()
        torch.ones(3).to("cuda")
        torch.tensor([1.0], device="cuda")
        x[torch.tensor([0])]
        assert sum(counts.syncs.values()) == 5


def test_the_made_up_gpu_differentiates():
    with fake_cuda():
        x = torch.arange(3.0, device="cuda").requires_grad_()
        (gradient,) = torch.autograd.grad((x * x).sum(), [x])
        assert isinstance(gradient, CudaTensor) and gradient.cpu().tolist() == [0, 2, 4]


def test_patches_cut_many_steps_at_once_on_a_gpu_are_the_cpus(photographs):
    cpu = PatchSampler(photographs, 2, 9, 4, 3)
    low, high = cpu.batches(240, 8)
    with fake_cuda() as counts:
        gpu = PatchSampler(photographs, 2, 9, 4, 3, "cuda")
        gpu.draws(239)  # positions are drawn for 256 steps together
        counts.reset()
        its_low, its_high = gpu.batches(240, 8)
        assert not counts.syncs and counts.launches <= 50
        assert torch.equal(its_low.cpu(), low) and torch.equal(its_high.cpu(), high)


@pytest.mark.parametrize("compiled", [True, False], ids=["kernels", "stacked"])
def test_a_pack_on_a_gpu_equals_the_same_on_the_cpu(compiled, photographs, trusting):
    ids = ("eSR-TM_s2_K3_C2", "ESPCN_s2_D0_S3", "FSRCNN_s2_D6_S1_M1", "ABPN_s2_D4_M1")
    members = [Member(parse_id(name)) for name in ids]
    expected = train_pack(members, RECIPE, photographs, compiled=False)
    with fake_cuda():
        assert_same(train_pack(members, RECIPE, photographs, device="cuda", compiled=compiled), expected)
    assert bool(COUNTS.kernels["conv_forward"]) == compiled


def test_a_checkpoint_goes_from_a_gpu_to_the_cpu_and_back(photographs, trusting):
    members = [Member(parse_id(name)) for name in ("eSR-TR_s2_K3_C2", "ESPCN_s2_D0_S3")]
    expected = train_pack(members, RECIPE, photographs, compiled=False)
    kept: list[dict[str, bytes]] = []
    with fake_cuda():
        whole = train_pack(members, RECIPE, photographs, save=kept.append, save_every=1, device="cuda")
    assert_same(whole, expected)
    assert_same(train_pack(members, RECIPE, photographs, checkpoint=kept[0]), expected)
    train_pack(members, RECIPE, photographs, save=kept.append, save_every=2)
    with fake_cuda():
        assert_same(train_pack(members, RECIPE, photographs, checkpoint=kept[-1], device="cuda"), expected)


def test_a_start_is_fitted_on_the_cpu_whatever_the_device(photographs, monkeypatch):
    config, seen = parse_id("ESPCN_s2_D0_S3"), []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda net, low, high: (seen.append(low.device.type), fit(net, low, high)))
    expected = training.train(config, RECIPE, photographs, 0)
    with fake_cuda():
        assert_same([training.train(config, RECIPE, photographs, 0, device="cuda")], [expected])
    assert seen == ["cpu", "cpu"]


def a_block(engine, recipe, scale, members, steps, counts):
    """Launches and syncs a step of a block, after one to warm up."""
    side = recipe.patch
    low = torch.rand(steps, recipe.batch, 1, side, side).to("cuda")
    high = torch.rand(steps, recipe.batch, 1, scale * side, scale * side).to("cuda")
    rates = [[1e-3] * members] * steps
    counts.reset()
    engine.steps(0, low, high, rates)
    return counts.launches / steps, sum(counts.syncs.values())


@pytest.mark.parametrize("fault", [False, True], ids=["captured", "not to be captured"])
def test_steps_replayed_from_a_graph_are_the_steps_launched_one_by_one(fault, monkeypatch, caplog):
    config = parse_id("ESPCN_s2_D0_S3")
    recipe = RECIPE.with_changes(espcn="adam")
    low, high = torch.rand(5, 2, 1, 9, 9), torch.rand(5, 2, 1, 18, 18)
    ends = []
    for graphs in ("1", "0"):
        monkeypatch.setenv("EDGE_SWEEP_CUDA_GRAPHS", graphs)
        with fake_cuda():
            if fault:
                monkeypatch.setattr(torch.cuda, "CUDAGraph", None)
            engine = KernelEngine([initial_module(config, 0)], recipe, 2, "cuda")
            for start, end in ((0, 2), (2, 4), (4, 5)):
                block = low[start:end].to("cuda"), high[start:end].to("cuda")
                engine.steps(start, *block, [[1e-3]] * (end - start))
            trainer = engine.parts[0][1]
            assert (trainer._graph is not None) == (graphs == "1" and not fault)
            ends.append(engine.state(0))
    assert torch.equal(ends[0].weights, ends[1].weights) and torch.equal(ends[0].second, ends[1].second)
    assert ("cannot be captured" in caplog.text) == fault


STACKS = [("eSR-TM_s2_K3_C2", "eSR-TM_s2_K5_C1"), ("ESPCN_s2_D0_S3", "ESPCN_s2_D0_S6"), ("FSRCNN_s2_D6_S1_M1",)]


@pytest.mark.parametrize("espcn", ["adam", "orthogonal"])
@pytest.mark.parametrize("ids", STACKS, ids=["one-layer", "espcn", "fsrcnn"])
def test_stacked_steps_replayed_from_a_graph_are_those_launched_one_by_one_and_the_cpus(ids, espcn, monkeypatch):
    configs = [parse_id(name) for name in ids]
    recipe = RECIPE.with_changes(espcn=espcn)
    low, high = torch.rand(7, 2, 1, 9, 9), torch.rand(7, 2, 1, 18, 18)
    rates = [[1e-3] * len(ids)] * 4 + [[1e-3] * (len(ids) - 1) + [0.0]] * 3  # the last member ends after four steps
    ends = {}
    for way in ("cpu", "graphs", "launches"):
        monkeypatch.setenv("EDGE_SWEEP_CUDA_GRAPHS", "0" if way == "launches" else "1")
        with contextlib.nullcontext() if way == "cpu" else fake_cuda() as counts:
            device = "cpu" if way == "cpu" else "cuda"
            engine = StackedEngine([initial_module(one, 0) for one in configs], recipe, 2, device)
            for index in range(len(ids)):
                engine.whiten(index, low[0].to(device), fresh=True)
            for start, end in ((0, 2), (2, 4), (4, 6), (6, 7)):
                if counts is not None:
                    counts.reset()
                engine.steps(start, low[start:end].to(device), high[start:end].to(device), rates[start:end])
                assert engine.taken == end - start
            captured = [kind for kind, one in engine._graphs.items() if one is not None]
            assert captured == ([True, False] if way == "graphs" else [])
            ends[way] = [*map(engine.state, range(len(ids)))], engine.losses()
    for way in ("launches", "cpu"):
        for one, other in zip(ends["graphs"][0], ends[way][0], strict=True):
            for name in ("weights", "first", "second"):
                torch.testing.assert_close(getattr(one, name), getattr(other, name), atol=1e-6, rtol=1e-5)
        assert ends["graphs"][1] == pytest.approx(ends[way][1], rel=1e-5)


def test_a_replay_waits_for_nothing():
    engine_rates = [[1e-3]] * 4
    with fake_cuda() as counts:
        engine = StackedEngine([initial_module(parse_id("ESPCN_s2_D0_S3"), 0)], RECIPE, 2, "cuda")
        low, high = torch.rand(4, 2, 1, 9, 9).to("cuda"), torch.rand(4, 2, 1, 18, 18).to("cuda")
        for first in (0, 4):
            counts.reset()
            engine.steps(first, low, high, engine_rates)
            assert not counts.syncs and counts.launches > 4
        assert engine._graphs[True] is not None


def test_a_stack_that_cannot_be_captured_is_launched_step_by_step(monkeypatch, caplog):
    monkeypatch.setattr(StackedEngine, "_update", lambda self, gradients, *rest: float(gradients[0].sum()))
    with fake_cuda():
        engine = StackedEngine([initial_module(parse_id("eSR-TM_s2_K3_C2"), 0)], RECIPE, 2, "cuda")
        low, high = torch.rand(2, 2, 1, 9, 9).to("cuda"), torch.rand(2, 2, 1, 18, 18).to("cuda")
        for first in (0, 2):
            engine.steps(first, low, high, [[1e-3]] * 2)
    assert engine._graphs == {True: None}
    assert "not permitted when stream is capturing" in caplog.text


def test_the_whole_space_takes_few_launches_a_step_and_no_wait():
    from benchmarks._training import trained_space

    recipe = recipe_for("paper")
    total = 0.0
    for scale in (2, 3, 4):
        configs = [c for c in trained_space() if c.scale == scale]
        modules = [initial_module(c, 0) for c in configs]
        with fake_cuda(compute=False) as counts:
            engine = KernelEngine(modules, recipe, scale, "cuda")
            launches, syncs = a_block(engine, recipe, scale, len(configs), 10, counts)
        assert syncs == 0
        total += launches
    assert 50 < total <= KERNELS_PER_STEP


def test_the_whole_space_in_stacks_takes_few_launches_a_step_and_no_wait(trusting):
    from benchmarks._training import trained_space

    recipe = recipe_for("paper").with_changes(batch=1, patch=9)  # launches do not depend on the size of patches
    total = stacks = 0
    for scale in (2, 3, 4):
        configs = [c for c in trained_space() if c.scale == scale]
        modules = [initial_module(c, 0) for c in configs]
        with fake_cuda() as counts:
            parts = teams.build([range(len(configs))], modules, configs, recipe, torch.device("cuda"), compiled=False)
            stacks += len(parts)
            for part in parts:
                engine = part.make()
                for index in range(len(part.members)):
                    engine.whiten(index, torch.rand(2, 1, 9, 9).to("cuda"), fresh=True)
                    break
                launches, syncs = a_block(engine, recipe, scale, len(part.members), 1, counts)
                assert syncs == 0, counts.syncs
                total += launches
    assert stacks <= 45
    assert 500 < total <= STACKED_KERNELS_PER_STEP


def test_white_inputs_of_a_whole_scale_take_few_launches_and_no_wait():
    from benchmarks._training import trained_space

    recipe = recipe_for("evening").with_changes(batch=1, patch=9)
    configs = [c for c in trained_space() if c.scale == 2 and c.family in ("ESPCN", "eSR-CNN")]
    modules = [initial_module(c, 0) for c in configs]
    with fake_cuda(compute=False) as counts:
        engine = KernelEngine(modules, recipe, 2, "cuda")
        low = torch.rand(2, 1, 9, 9).to("cuda")
        counts.reset()
        engine.whiten_all(range(len(configs)), low, fresh=True)
        assert not counts.syncs
        assert len(configs) < counts.launches <= WHITE_LAUNCHES * len(configs)
