"""Which configs to measure next to find the speed-quality frontier with few measurements.

The quality of all configs is known (they are trained) and the speed of a few; the cost model predicts the other speeds
(docs/decisions/084).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from search_space.config import Config
from sweep.speed.cost_model import CostModel

OPTIMISM = 0.5
"""Standard deviations by which a predicted speed is raised: an uncertain config is measured when it might be fast."""


def suggest_frontier(
    model: CostModel,
    measured: Mapping[Config, float],
    unmeasured: Sequence[Config],
    quality: Mapping[str, float],
    n: int,
) -> list[Config]:
    """The ``n`` unmeasured configs that would add most to their scale's frontier if they were as fast as predicted.

    ``measured`` is in frames/s; ``quality`` is by config id, more is better, and configs without it are left out. The
    gain is the hypervolume added in (log10 frames/s, quality) above the worst of each. When fewer than ``n`` are on
    a frontier, those predicted to be fastest follow.
    """
    from analysis.measures.frontier import frontier
    from analysis.measures.hypervolume import hypervolume

    candidates = [config for config in unmeasured if config.id in quality]
    # log10 frames/s by config id.
    predicted = {
        p.config: -(math.log10(p.seconds) - OPTIMISM * p.deviation / math.log(10)) for p in model.predict(candidates)
    }
    gains: list[tuple[float, Config]] = []
    for scale in sorted({config.scale for config in candidates}):
        have = [(math.log10(fps), quality[c.id]) for c, fps in measured.items() if c.scale == scale and c.id in quality]
        of_scale = [config for config in candidates if config.scale == scale]
        points = [(predicted[config.id], quality[config.id]) for config in of_scale]
        floor = np.min([*have, *points], axis=0)
        base = hypervolume(have, floor) if have else 0.0
        for i in frontier([*points, *have]).members:
            if i < len(points):
                gains.append((hypervolume([*have, points[i]], floor) - base, of_scale[i]))
    gains.sort(key=lambda pair: -pair[0])
    picked = [config for _, config in gains]
    fastest = sorted(candidates, key=lambda config: -predicted[config.id])
    picked += [config for config in fastest if config not in set(picked)]
    return picked[:n]
