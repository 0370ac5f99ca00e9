"""The legend of families, the same on every chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from analysis.charts import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def handle(family: str) -> Line2D:
    """The legend's entry of a family."""
    from matplotlib.lines import Line2D

    look = style.look(family)
    return Line2D(
        [], [], marker=look.marker, color=look.colour, linestyle="none", markersize=5.5 * look.size, label=family,
        markeredgewidth=0,
    )  # fmt: skip


def family_legend(figure: Figure, families: Iterable[str], lines: bool = True) -> None:
    """A row under the panels: each family, and what the lines are."""
    from matplotlib.lines import Line2D

    listed = style.in_order(families)
    entries = [handle(family) for family in listed]
    if lines and listed:
        entries.append(Line2D([], [], color=style.INK, linewidth=1.1, label="frontier"))
        if "Bicubic" in listed:
            entries.append(Line2D([], [], color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), label="bicubic"))
    if entries:
        columns = len(entries) if figure.get_figwidth() > 6 else 4
        figure.legend(
            handles=entries, loc="outside lower left", ncols=min(columns, 7 if figure.get_figwidth() < 7 else 12),
            handletextpad=0.35, columnspacing=1.0, borderaxespad=0.2,
        )  # fmt: skip


def caption(figure: Figure, title: str, note: str) -> None:
    """The title, and a line under it that says what is shown and what is missing; call it before the layout."""
    height = 72 * figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - 33 / height))
    figure.text(0.012, 1 - 6 / height, title, ha="left", va="top", fontsize=10, fontweight="bold", color=style.INK)
    figure.text(0.012, 1 - 20 / height, note, ha="left", va="top", fontsize=7.2, color=style.GREY)
