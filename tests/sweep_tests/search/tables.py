"""A made-up finished table with the shape of real ones: speed falls and PSNR saturates with cost."""

from __future__ import annotations

import math

from search_space import Config
from search_space.costs.describe import describe
from search_space.spaces import load_space, select
from sweep.search.objectives import Objective
from sweep.search.replay_table import ReplayTable, replay_table

FPS = Objective("fps", "BOARD")
PSNR = Objective("psnr", "SetX")
BONUS = {"ESPCN": 0.5, "eSR-CNN": 0.4, "FSRCNN": 0.2, "eSR-MAX": 0.0, "eSR-TM": 0.1, "eSR-TR": 0.15, "Bicubic": 0.0}


def figures(config: Config) -> tuple[float, float]:
    """(frames/s, PSNR in dB) of a config on the made-up board."""
    cost = describe(config).macs_full_hd / 1e8
    wiggle = math.sin(sum(ord(c) for c in config.id))
    fps = 400 / (3 + cost + describe(config).receptive_field) * (1 + 0.1 * wiggle)
    return fps, 30 + BONUS.get(config.family, 0.3) - 1.5 / (1 + cost) ** 0.7 + 0.02 * wiggle


def table(space: str = "paper", scale: int = 4) -> ReplayTable:
    """The made-up table of a whole scale."""
    configs = select(load_space(space).configs, scale=[scale])
    return replay_table("board", (FPS, PSNR), {config.id: figures(config) for config in configs})
