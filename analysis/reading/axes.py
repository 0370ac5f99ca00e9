"""The quantities a chart can have on an axis: their column, unit, direction and scale."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.errors import SweepError


@dataclass(frozen=True)
class Axis:
    """One quantity. ``column`` is that of the results frame."""

    name: str
    column: str
    label: str
    unit: str
    more_is_better: bool
    log: bool
    digits: int = 3
    """Significant digits worth printing."""

    @property
    def title(self) -> str:
        """Label with unit, as an axis carries it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


COSTS = {
    axis.name: axis
    for axis in (
        Axis("fps", "fps", "Speed", "frames/s", True, True),
        Axis("power", "power_w", "Power", "W", False, False),
        Axis("energy", "energy_j", "Energy per frame", "J", False, True),
        Axis("parameters", "parameters", "Parameters", "", False, True),
        Axis("macs", "macs_full_hd", "Multiply-accumulates per Full-HD frame", "", False, True),
        Axis("memory", "memory_mib", "Memory", "MiB", False, True),
    )
}
"""What a model costs, by the name ``--x`` takes."""

METRICS = {"psnr": ("PSNR", "dB", True), "ssim": ("SSIM", "", True), "lpips": ("LPIPS", "", False)}


def cost(name: str) -> Axis:
    """A cost by name or column. Raises SweepError naming those there are."""
    for axis in COSTS.values():
        if name in (axis.name, axis.column):
            return axis
    raise SweepError(f"there is no cost {name!r} (choose from {', '.join(COSTS)})")


def metric(column: str) -> Axis:
    """A quality column such as ``psnr:Set5`` as an axis.

    >>> metric("psnr:Set5").title
    'PSNR on Set5 (dB)'
    """
    kind, _, dataset = column.partition(":")
    label, unit, more = METRICS.get(kind, (kind, "", True))
    return Axis(kind, column, f"{label} on {dataset}", unit, more, False, 4)
