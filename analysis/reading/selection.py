"""Which results a chart, a table or a report shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """Choices that narrow the results; None or empty leaves it to what the store holds."""

    sweep: str | None = None
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
