"""The bicubic reference follows the protocol, and a result that does not reach it is flagged."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from search_space import parse_id
from search_space.config import Config
from search_space.facts import Done
from workers import task
from workers.data.image_set import ImageSet
from workers.quality import protocol
from workers.training.recipe import recipe_for
from workers.training.train import Trained

CONFIG = parse_id("eSR-MAX_s2_K3_C1")


def spoilt_border(scale: int) -> ImageSet:
    """Smooth inside; noise on the outermost ``scale`` pixels, which the protocol shaves."""
    rows, columns = np.mgrid[0:48, 0:48]
    pixels = (100 + rows + columns).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
    edge = np.ones(pixels.shape, bool)
    edge[scale:-scale, scale:-scale] = False
    return ImageSet("edge", ("a.png",), (np.where(edge, noise, pixels).astype(np.uint8),))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_bicubic_reference_leaves_the_border_out(scale: int) -> None:
    images = spoilt_border(scale)
    (pair,) = protocol.prepare(images, scale)
    up = torch.nn.functional.interpolate(pair.lr, scale_factor=scale, mode="bicubic", antialias=True)
    difference = (up.clamp(0, 1) * 255 - pair.hr)[0, 0].double()
    inside = difference[scale:-scale, scale:-scale]
    expected = 10 * math.log10(255**2 / float(inside.square().mean()))
    assert protocol.bicubic_psnr(images, scale) == pytest.approx(expected, abs=1e-4)
    whole = 10 * math.log10(255**2 / float(difference.square().mean()))
    assert abs(whole - expected) > 1, "the border must matter here"


class Constant(nn.Module):
    """Gives one value for every pixel."""

    def __init__(self, config: Config, value: float) -> None:
        super().__init__()
        self.scale = config.scale
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, low: Tensor) -> Tensor:
        return self.value.expand(1, 1, low.shape[2] * self.scale, low.shape[3] * self.scale)


class Enlarged(nn.Module):
    """Plain bicubic, as the reference is."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, low: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(low, scale_factor=2, mode="bicubic", antialias=True)


@pytest.mark.parametrize(
    ("module", "flagged"),
    [
        (Constant(CONFIG, math.nan), True),
        (Constant(CONFIG, 0.0), True),
        (Enlarged(), False),
    ],
    ids=["nan", "black", "as good as bicubic"],
)
def test_a_result_below_bicubic_is_flagged_and_nan_is_below(
    module: nn.Module, flagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, columns = np.mgrid[0:48, 0:48]
    images = ImageSet("test", ("a.png",), ((rows + columns).astype(np.uint8),))
    monkeypatch.setattr(task, "train", lambda *_, **__: Trained(CONFIG, module, 10, 1.0, ()))
    wanted = task.PackTask((task.TrialTask(1, 1, CONFIG.id, 0, plain=True),), recipe_for("smoke").to_json())
    (outcome,) = task.run_pack(wanted, images, [images])
    assert isinstance(outcome, Done)
    assert ("below-bicubic:test" in outcome.flags) is flagged
