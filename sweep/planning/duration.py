"""How long a sweep will take: estimated from stored training times (``pack_probe``: from a look at its packs)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.errors import BadConfig
from search_space.facts import TrialKey


@dataclass(frozen=True)
class Estimate:
    """Seconds of work for one worker, and what the estimate rests on."""

    seconds: float
    how: str

    def on(self, workers: int) -> float:
        """Seconds with that many workers, if the work divides evenly."""
        return self.seconds / max(1, workers)


def from_history(keys: Sequence[TrialKey], seconds: Mapping[str, float]) -> Estimate | None:
    """From ``seconds`` of finished trials of the same sweep, by config id; None when there are fewer than 3.

    A config without a time of its own is given the median seconds per multiply-add of the others.
    """
    keys = [key for key in keys if runs(key.config)]
    rates = [value / describe(parse_id(config)).macs_full_hd for config, value in seconds.items() if value > 0]
    if len(rates) < 3:
        return None
    rate = statistics.median(rates)
    total = sum(seconds.get(key.config) or rate * describe(parse_id(key.config)).macs_full_hd for key in keys)
    return Estimate(total, f"judged by {len(rates)} finished trials")


def runs(config: str) -> bool:
    """Whether the costs of a config are known; of a user's family whose code raises, hangs or crashes they are not."""
    try:
        describe(parse_id(config))
    except BadConfig:
        return False
    return True
