"""Which config to measure next when it is the frontier that is wanted, not every speed.

Quality is known (the networks are trained), speed of a few; the cost model guesses the rest (docs/decisions/084).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from search_space.config import Config
from sweep.speed.cost_model import CostModel

OPTIMISM = 0.5
"""Deviations a guess is raised by: a config the model is unsure of is worth a look when it might be fast."""


def suggest_frontier(
    model: CostModel, measured: Mapping[Config, float], left: Sequence[Config], quality: Mapping[str, float], n: int
) -> list[Config]:
    """The ``n`` unmeasured configs that would add most to their scale's frontier if they were as fast as guessed.

    ``measured`` is frames/s, ``quality`` one figure by config id, more is better; configs without it are not judged.
    A gain is the hypervolume added in (log10 frames/s, quality) above the worst of each. Then the fastest guesses,
    when fewer than ``n`` are on a frontier.
    """
    from analysis.measures.frontier import frontier
    from analysis.measures.hypervolume import hypervolume

    left = [config for config in left if config.id in quality]
    guess = {p.config: -(math.log10(p.seconds) - OPTIMISM * p.deviation / math.log(10)) for p in model.predict(left)}
    gains: list[tuple[float, Config]] = []
    for scale in sorted({config.scale for config in left}):
        have = [(math.log10(fps), quality[c.id]) for c, fps in measured.items() if c.scale == scale and c.id in quality]
        some = [config for config in left if config.scale == scale]
        points = [(guess[config.id], quality[config.id]) for config in some]
        floor = np.min([*have, *points], axis=0)
        base = hypervolume(have, floor) if have else 0.0
        for i in frontier([*points, *have]).members:
            if i < len(points):
                gains.append((hypervolume([*have, points[i]], floor) - base, some[i]))
    gains.sort(key=lambda pair: -pair[0])
    picked = [config for _, config in gains]
    known = set(picked)
    picked += [config for config in sorted(left, key=lambda c: -guess[c.id]) if config not in known]
    return picked[:n]
