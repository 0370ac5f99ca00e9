"""The one table of what is known about a model: quality metrics and costs, with unit, direction and column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from search_space.errors import SweepError


@dataclass(frozen=True)
class Quantity:
    """One number that models are compared by."""

    name: str
    """As options and objectives spell it: ``psnr``, ``fps``."""
    column: str
    """Of the results frame and the speed table. A metric's is ``psnr:Set5``, made by ``metric``."""
    label: str
    unit: str
    more_is_better: bool
    log: bool
    """Drawn on a logarithmic axis."""
    digits: int = 3
    """Significant digits worth printing."""
    decimals: int = 2
    """Digits after the point in tables."""
    measured: bool = False
    """Belongs to a device and must be measured there; other costs follow from the architecture alone."""

    @property
    def title(self) -> str:
        """Label with unit, as an axis carries it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


METRICS = {
    one.name: one
    for one in (
        Quantity("psnr", "psnr", "PSNR", "dB", True, False, 4, 2),
        Quantity("ssim", "ssim", "SSIM", "", True, False, 4, 4),
        Quantity("lpips", "lpips", "LPIPS", "", False, False, 4, 4),
    )
}
"""How good the image is on a test set, the usual metric first."""

COSTS = {
    one.name: one
    for one in (
        Quantity("fps", "fps", "Speed", "frames/s", True, True, measured=True),
        Quantity("power", "power_w", "Power", "W", False, False, measured=True),
        Quantity("energy", "energy_j", "Energy per frame", "J", False, True, measured=True),
        Quantity("parameters", "parameters", "Parameters", "", False, True),
        Quantity("macs", "macs_full_hd", "Multiply-accumulates per Full-HD frame", "", False, True),
        Quantity("memory", "memory_mib", "Memory", "MiB", False, True, measured=True),
    )
}
"""What a model costs, by the name that ``--x`` takes."""


def cost(name: str) -> Quantity:
    """A cost by name or column. Raises SweepError naming those there are."""
    for quantity in COSTS.values():
        if name in (quantity.name, quantity.column):
            return quantity
    raise SweepError(f"there is no cost {name!r} (choose from {', '.join(COSTS)})")


def metric(column: str) -> Quantity:
    """The metric in a quality column such as ``psnr:Set5``; one that is not in the table counts as more is better.

    >>> metric("psnr:Set5").title
    'PSNR on Set5 (dB)'
    """
    name, _, dataset = column.partition(":")
    known = METRICS.get(name) or Quantity(name, name, name, "", True, False, 4, 4)
    return replace(known, column=column, label=f"{known.label} on {dataset}")


def unit_of(name: str) -> str:
    """The unit of a metric; empty for one without a unit or one that is not in the table.

    >>> unit_of("psnr"), unit_of("ssim")
    ('dB', '')
    """
    return METRICS[name].unit if name in METRICS else ""


def direction(name: str) -> Literal["maximize", "minimize"]:
    """The direction of a metric or cost, as Optuna spells it.

    >>> direction("psnr"), direction("lpips"), direction("fps"), direction("macs")
    ('maximize', 'minimize', 'maximize', 'minimize')
    """
    return "maximize" if (METRICS | COSTS)[name].more_is_better else "minimize"
