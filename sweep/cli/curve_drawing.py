"""A training curve as text."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60
"""Most blocks of a line."""


def sparkline(curve: Sequence[tuple[int, float]], width: int = WIDTH) -> str:
    """The losses of (step, loss) points as a line of blocks, the highest is the largest; neighbours are averaged.

    >>> sparkline([(1, 0.4), (2, 0.3), (3, 0.2), (4, 0.1)])
    '█▅▃▁'
    """
    losses = [loss for _, loss in curve]
    size = max(1, -(-len(losses) // width))
    means = [sum(part) / len(part) for part in (losses[i : i + size] for i in range(0, len(losses), size))]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join(BLOCKS[int((mean - low) / span * (len(BLOCKS) - 1))] for mean in means)


def in_words(curve: Sequence[tuple[int, float]]) -> str:
    """Where the curve begins and ends.

    >>> in_words([(0, 0.25), (100, 0.0312)])
    'loss 0.25 at step 0, 0.0312 at step 100'
    """
    (first, begin), (last, end) = curve[0], curve[-1]
    return f"loss {begin:.4g} at step {first:,}, {end:.4g} at step {last:,}"
