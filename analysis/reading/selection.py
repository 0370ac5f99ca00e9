"""Which results a chart, a table or a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search_space.errors import SweepError


@dataclass(frozen=True)
class Selection:
    """Choices that narrow the results; None or empty leaves it to what the store holds."""

    sweep: str | None = None
    other_sweep: str | None = None
    """A second sweep, beside the first."""
    source: str | None = None
    device: str | None = None
    backend: str | None = None
    precision: str | None = None
    metric: str | None = None
    protocol: str | None = None
    """Of the quality."""
    speed_protocol: str | None = None
    undisturbed_only: bool = False
    """Leave out speeds that were measured while the machine was busy."""
    scales: tuple[int, ...] = ()
    families: tuple[str, ...] = ()
    x: str = "fps"
    """Name of a cost in ``search_space.metrics.COSTS``."""
    configs: tuple[str, ...] = ()
    """Models to show, for the kinds of chart that show a model's filters or images."""
    weights: tuple[Path, ...] = ()
    """Weights files named after an id, for models whose weights are not in the store."""
    image: Path | None = None
    crop: tuple[int, int, int, int] | None = None
    """Left, top, width, height in pixels of the full-size image."""
    against: str | None = None
    """The source to compare with."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The sweeps that are named, in their order."""
        return tuple(name for name in (self.sweep, self.other_sweep) if name is not None)


def two_sweeps(names: Sequence[str] | None) -> tuple[str | None, str | None]:
    """``Selection.sweep`` and ``other_sweep`` of the names that were given. Raises SweepError for more than two.

    >>> two_sweeps(None), two_sweeps(["night"]), two_sweeps(["before", "after"])
    ((None, None), ('night', None), ('before', 'after'))
    """
    listed = list(names or ())
    if len(listed) > 2:
        raise SweepError(f"two sweeps at a time can be compared, not {len(listed)}")
    first, second = (*listed, None, None)[:2]
    return first, second
