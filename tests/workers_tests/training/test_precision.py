"""Precision is honoured on every way of training, or refused."""

from __future__ import annotations

import pytest
import torch

from search_space import parse_id
from search_space.errors import SweepError
from workers.data.datasets import resolve
from workers.data.image_set import ImageSet
from workers.packs import Member, train_pack
from workers.packs.native_engine import NativeEngine
from workers.packs.plain_engine import PlainEngine
from workers.packs.stacked_engine import StackedEngine
from workers.training import precision
from workers.training.optimiser import Optimiser
from workers.training.recipe import recipe_for
from workers.training.train import train

RECIPE = recipe_for("smoke").with_changes(steps=2)
PAIR = [Member(parse_id(text)) for text in ("ESPCN_s2_D2_S3", "ESPCN_s2_D2_S4", "ABPN_s2_D2_M1")]


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return ImageSet("small", ("photograph",), (resolve("embedded-train").pixels[0][:72, :72],))


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def tf32_on():
    before = flags()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize(("name", "on"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_a_cuda_device_has_tf32_on_only_where_the_recipe_says_so(name: str, on: bool, tf32_on: None) -> None:
    torch.backends.cudnn.allow_tf32 = not on
    with precision.applied(name, "cuda:0"):
        assert flags() == (on, on)
    assert flags() == (True, not on)


def test_what_was_set_is_restored_when_a_step_fails(tf32_on: None) -> None:
    with pytest.raises(ZeroDivisionError), precision.applied("fp32", "cuda"):
        raise ZeroDivisionError
    assert flags() == (True, True)


def test_only_bf16_runs_the_forward_pass_under_autocast() -> None:
    with precision.forward("bf16", "cpu"):
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    for name in ("fp32", "tf32"):
        with precision.forward(name, "cpu"):
            assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_a_cpu_refuses_all_but_fp32_on_every_way(name: str, images: ImageSet) -> None:
    recipe = RECIPE.with_changes(precision=name)
    with pytest.raises(SweepError, match=f"cpu device trains in fp32 only, and the recipe asks for {name}"):
        train(PAIR[0].config, recipe, images, 0)
    for compiled in (True, False):
        with pytest.raises(SweepError, match="trains in fp32 only"):
            train_pack(PAIR, recipe, images, compiled=compiled)


def test_every_way_holds_the_precision_for_its_whole_step(
    images: ImageSet, tf32_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is a CPU that is taken for a GPU: what is looked at is which flags each way sets."""
    monkeypatch.setattr(precision, "kind_of", lambda device: "cuda")
    seen: dict[str, set[tuple[bool, bool]]] = {}
    for kind in (Optimiser, PlainEngine, StackedEngine, NativeEngine):

        def step(self, *arguments, original=kind.step, name=kind.__name__):
            seen.setdefault(name, set()).add(flags())
            return original(self, *arguments)

        monkeypatch.setattr(kind, "step", step)
    train(PAIR[0].config, RECIPE, images, 0)
    train_pack(PAIR, RECIPE, images, compiled=False)
    assert seen == {name: {(False, False)} for name in ("Optimiser", "PlainEngine", "StackedEngine")}
    assert flags() == (True, True)


@pytest.mark.parametrize("way", ["alone", "pack"])
def test_bf16_changes_the_numbers_of_each_torch_engine(
    way: str, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a device is allowed bf16 it is computed in bf16, by stacked and plain engines and by the reference."""
    exact = [train(m.config, RECIPE, images, 0).curve[0][1] for m in PAIR]
    monkeypatch.setattr(precision, "check", lambda name, device: None)
    monkeypatch.setattr("workers.training.train.check_precision", lambda name, device: None)
    monkeypatch.setattr("workers.packs.train.check_precision", lambda name, device: None)
    recipe = RECIPE.with_changes(precision="bf16")
    if way == "alone":
        rounded = [train(m.config, recipe, images, 0).curve[0][1] for m in PAIR]
    else:
        rounded = [result.curve[0][1] for result in train_pack(PAIR, recipe, images, compiled=False)]
    for one, other in zip(exact, rounded, strict=True):
        assert one != other
        assert abs(one - other) < 0.2 * one
