"""What the stages of ``gpu_check.py`` share: the device, the time that is left, configs, patches and engines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPACE = 1182
"""Configs of the paper's space that are trained."""


class OutOfTime(BaseException):
    """A stage's deadline has passed. Not an Exception: what an engine does about those must not catch it."""


@dataclass
class Check:
    """What is asked for, and what was found. ``small``: few configs and tiny sizes, of no worth as a measurement."""

    device: str
    minutes: float
    out: Path
    small: bool = False
    header: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    deadline: float = 0.0

    @property
    def on_gpu(self) -> bool:
        return self.device != "cpu"

    def left(self) -> float:
        """Seconds left to the stage."""
        return self.deadline - time.monotonic()

    def wait(self) -> None:
        """Until the device has done all it was given."""
        if self.on_gpu:
            import torch

            torch.cuda.synchronize()


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
        noise = 0.05 * torch.rand(1, 3, side, side, generator=generator)
        image = interpolate(coarse, (side, side), mode="bicubic") + noise
        pixels.append((image.clamp(0, 1)[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy().astype(np.uint8))
    return ImageSet("made-up", ("a", "b"), tuple(pixels))


def recipe(check: Check) -> Any:
    """The paper's."""
    from workers.training.recipe import recipe_for

    whole = recipe_for("paper")
    return whole.with_changes(batch=1, patch=12) if check.small else whole


def sampler(check: Check, scale: int, device: str | None = None) -> Any:
    """The stream of patches of a scale."""
    from workers.training.patches import PatchSampler

    used = recipe(check)
    return PatchSampler(made_up_images(), scale, used.patch, used.batch, 0, device or check.device)


def space(check: Check, scale: int | None = None) -> list[Any]:
    """The paper's configs that are trained."""
    from search_space.spaces import load_space, select

    configs = [c for c in load_space("paper").configs if c.family != "Bicubic"]
    if check.small:
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
