"""Numbers from times: median, spread, steadiness and ties. Pure; no clock is read here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

STEADY_SPREAD = 0.05
"""Times are steady when the last few lie within this fraction of their median."""


@dataclass(frozen=True)
class Summary:
    """What is kept of a list of times, in seconds."""

    median: float
    iqr: float
    """Between the quartiles (linear interpolation)."""
    least: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """About 95 % confidence in the median: median +- 1.57 IQR / sqrt(n) (McGill, Tukey and Larsen 1978)."""
        half = 1.57 * self.iqr / math.sqrt(self.n)
        return self.median - half, self.median + half


def summarise(seconds: Sequence[float]) -> Summary:
    """Median, interquartile range, minimum and count.

    >>> summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    Summary(median=3.0, iqr=2.0, least=1.0, n=5)
    """
    if not seconds:
        raise ValueError("no times to summarise")
    ordered = sorted(seconds)
    return Summary(median(ordered), quantile(ordered, 0.75) - quantile(ordered, 0.25), ordered[0], len(ordered))


def quantile(ordered: Sequence[float], q: float) -> float:
    """The ``q`` quantile (0 to 1) of sorted numbers, interpolated linearly.

    >>> quantile([1.0, 3.0, 5.0], 0.25)
    2.0
    """
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def is_steady(seconds: Sequence[float], window: int = 3, spread: float = STEADY_SPREAD) -> bool:
    """Whether the last ``window`` times lie within ``spread`` of their median, and none is a clear improvement.

    >>> is_steady([9.0, 1.0, 1.01, 1.0]), is_steady([9.0, 3.0, 1.0])
    (True, False)
    """
    if len(seconds) < window:
        return False
    last = seconds[-window:]
    middle = median(last)
    return max(last) - min(last) <= spread * middle


def ties(intervals: Mapping[str, tuple[float, float]]) -> dict[str, tuple[str, ...]]:
    """For each name, the others whose interval overlaps its own, in the given order.

    >>> ties({"a": (1.0, 2.0), "b": (1.5, 3.0), "c": (5.0, 6.0)})
    {'a': ('b',), 'b': ('a',), 'c': ()}
    """
    place = {name: i for i, name in enumerate(intervals)}
    overlapping: dict[str, list[str]] = {name: [] for name in intervals}
    open_now: list[str] = []
    for name in sorted(intervals, key=lambda n: intervals[n]):
        low = intervals[name][0]
        open_now = [other for other in open_now if intervals[other][1] >= low]
        for other in open_now:
            overlapping[name].append(other)
            overlapping[other].append(name)
        open_now.append(name)
    return {name: tuple(sorted(others, key=place.__getitem__)) for name, others in overlapping.items()}
