"""Prune configs early: after a short training, only those that could still reach the frontier are trained fully. Pure.

The distance to the frontier is compared, not quality alone: a small fast network with a low PSNR is kept when
nothing as fast is better, and a slow one with a good PSNR is pruned when a faster one beats it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Screened:
    """One config after its short training; ``cost_axis`` (log speed) and ``quality``: larger is better."""

    cost_axis: float
    quality: float


@dataclass(frozen=True)
class Growth:
    """How much quality grew from the short to the full training, over the configs that had both."""

    median: float
    spread: float


UNKNOWN = Growth(math.inf, 0.0)
"""While fewer than ``MIN_PAIRS`` configs had both trainings; nothing is pruned then."""
MIN_PAIRS = 4


def growth(pairs: Sequence[tuple[float, float]]) -> Growth:
    """From (short, full) qualities; UNKNOWN under four pairs.

    >>> growth([(30.0, 31.0), (29.0, 30.2), (30.5, 31.3), (28.0, 29.0)])
    Growth(median=1.0, spread=0.2)
    """
    if len(pairs) < MIN_PAIRS:
        return UNKNOWN
    gains = sorted(full - short for short, full in pairs)
    middle = len(gains) // 2
    median = gains[middle] if len(gains) % 2 else (gains[middle - 1] + gains[middle]) / 2
    deviations = sorted(abs(gain - median) for gain in gains)
    return Growth(round(median, 6), round(deviations[-1], 6))


def hopeless(config: Screened, frontier: Sequence[tuple[float, float]], expected: Growth) -> bool:
    """Whether even the largest growth seen would leave the config below one that is at least as fast.

    ``frontier`` holds (cost_axis, quality) of fully trained configs.
    """
    if math.isinf(expected.median):
        return False
    best = config.quality + expected.median + expected.spread
    return any(axis >= config.cost_axis and quality > best for axis, quality in frontier)
