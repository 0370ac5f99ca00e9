"""What a command means by what it was asked, where two options or none speak of the same thing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search_space.errors import SweepError


def usual_recipe(space: str) -> str:
    """The recipe of a sweep that names none: the demo space is a matter of minutes, so it has a recipe of its own.

    >>> usual_recipe("demo"), usual_recipe("paper"), usual_recipe("mine.yaml")
    ('demo', 'paper', 'paper')
    """
    return "demo" if space == "demo" else "paper"


def seeds_of(seed: Sequence[int] | None, seeds: int | None) -> tuple[int, ...]:
    """The seeds to train with: those listed, or ``seeds`` of them from the one listed (or from 0) on.

    Raises SweepError when several are listed and a number is given too.

    >>> seeds_of(None, 3), seeds_of([7], 3), seeds_of([4, 9, 4], None)
    ((0, 1, 2), (7, 8, 9), (4, 9))
    """
    listed = tuple(dict.fromkeys(seed or (0,)))
    if seeds is None:
        return listed
    if len(listed) > 1:
        raise SweepError("--seed lists the seeds, and --seeds counts them: with several --seed leave --seeds out")
    return tuple(range(listed[0], listed[0] + seeds))


def gpus_of(asked: str | float) -> float | None:
    """GPUs of one worker: a number, or None for ``auto``: GPUs where the cluster has them, CPUs elsewhere.

    Raises SweepError for anything else.

    >>> gpus_of("auto"), gpus_of("0.5"), gpus_of(1)
    (None, 0.5, 1.0)
    """
    if asked == "auto":
        return None
    try:
        number = float(asked)
    except ValueError:
        number = math.nan
    if not (0 <= number < math.inf):
        raise SweepError(f"--gpus-per-worker is auto or a number from 0 on, not {asked}")
    return number
