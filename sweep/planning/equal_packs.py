"""Groups cut into as few parts as let all workers end together. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

_T = TypeVar("_T")
Group = list[tuple[float, _T]]
"""(cost, member), the costliest first."""
SLIVER = 0.02
"""Of a worker's share, what is not cut off: a part has a start of its own to pay."""


def equal_shares(groups: Sequence[Group[_T]], workers: int) -> list[Group[_T]]:
    """Parts of groups whose costs fill ``workers`` workers evenly: at most ``workers`` - 1 more than there are groups.

    Groups laid end to end are cut at each worker's share (McNaughton 1959). A part is a fair sample of its group, so
    that what the costs leave out takes the same time in all of them.

    >>> equal_shares([[(3.0, "a"), (2.0, "b"), (1.0, "c")]], 2)
    [[(3.0, 'a')], [(2.0, 'b'), (1.0, 'c')]]
    """
    share = sum(cost for group in groups for cost, _ in group) / max(1, workers)
    parts: list[Group[_T]] = []
    start = 0.0
    for group in groups:
        end = start + sum(cost for cost, _ in group)
        cuts = [share * worker for worker in range(1, workers) if SLIVER * share < share * worker - start]
        cuts = [cut for cut in cuts if SLIVER * share < end - cut]
        edges = [start, *cuts, end]
        parts += _dealt(group, [later - earlier for earlier, later in pairwise(edges)])
        start = end
    return parts


def _dealt(group: Group[_T], sizes: Sequence[float]) -> list[Group[_T]]:
    """Parts in proportion to ``sizes``: each member goes where it leaves the least filled part; without empty parts."""
    if len(sizes) == 1:
        return [group]
    parts: list[Group[_T]] = [[] for _ in sizes]
    filled = [0.0] * len(sizes)
    for cost, member in group:
        place = min(range(len(sizes)), key=lambda i: (filled[i] + cost) / sizes[i])
        parts[place].append((cost, member))
        filled[place] += cost
    return [part for part in parts if part]
