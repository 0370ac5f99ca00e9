"""The legend of families, the same on every chart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.charts import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


SEPARATOR = " · "
"""Between the parts of a note."""
LEGEND_CHARACTER, LEGEND_HANDLE = 4.3, 30.0
"""Widths in points: of a character of a legend's label, and of everything else of an entry."""
NOTE_SIZE = 7.2
NOTE_CHARACTER = 0.56 * NOTE_SIZE
"""Mean width in points of a character of a note."""


def handle(family: str) -> Line2D:
    """The legend's entry of a family."""
    from matplotlib.lines import Line2D

    look = style.look(family)
    return Line2D(
        [], [], marker=look.marker, color=look.colour, linestyle="none", markersize=5.5 * look.size, label=family,
        markeredgewidth=0,
    )  # fmt: skip


def family_legend(
    figure: Figure, families: Iterable[str], lines: bool = True, disturbed: bool = False, rings: bool = False
) -> None:
    """Under the panels: each family, what the lines are, and what rings and hollow markers say."""
    from matplotlib.lines import Line2D

    listed = style.in_order(families)
    entries = [handle(family) for family in listed]
    if lines and listed:
        entries.append(Line2D([], [], color=style.INK, linewidth=1.1, label="frontier"))
        if "Bicubic" in listed:
            entries.append(Line2D([], [], color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), label="bicubic"))
    hollow: Any = {"linestyle": "none", "markerfacecolor": "none"}
    if rings and listed:
        ring = Line2D([], [], marker="o", color=style.INK, markersize=5.2, label="best of a family", **hollow)
        ring.set_markeredgewidth(0.7)
        entries.append(ring)
    if disturbed:
        entries.append(Line2D([], [], marker="s", color=style.GREY, markersize=5, label="hollow: disturbed", **hollow))
    if entries:
        figure.legend(
            handles=entries, loc="outside lower left",
            ncols=columns([str(entry.get_label()) for entry in entries], 72 * figure.get_figwidth()),
            handletextpad=0.35, columnspacing=1.0, borderaxespad=0.2,
        )  # fmt: skip


def columns(labels: Sequence[str], width: float) -> int:
    """The most columns in which a legend's ``labels`` fit a figure of ``width`` points; it is filled column by column.

    >>> columns(["a family"] * 6, 400), columns(["a family"] * 6, 200)
    (6, 3)
    """
    for rows in range(1, len(labels)):
        count = -(-len(labels) // rows)
        # As matplotlib fills them: the first columns have one entry more where they do not come out even.
        parts = np.array_split(np.array([len(label) for label in labels]), count)
        if sum(LEGEND_CHARACTER * int(part.max()) + LEGEND_HANDLE for part in parts) <= width:
            return count
    return 1


def caption(figure: Figure, title: str, note: str) -> None:
    """The title, and under it what is shown, how it was measured and what is missing; call it before the layout.

    A note too long for the figure is broken into lines; the panels begin below them.
    """
    height, width = 72 * figure.get_figheight(), 72 * figure.get_figwidth()
    lines = _broken(note.split(SEPARATOR), max(30, int((width - 12) / NOTE_CHARACTER)))
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - (23 + 10 * max(1, len(lines))) / height))
    figure.text(0.012, 1 - 6 / height, title, ha="left", va="top", fontsize=10, fontweight="bold", color=style.INK)
    figure.text(
        0.012, 1 - 20 / height, "\n".join(lines), ha="left", va="top", fontsize=NOTE_SIZE, linespacing=1.25,
        color=style.GREY,
    )  # fmt: skip


def _broken(parts: Sequence[str], length: int) -> list[str]:
    """Parts joined into lines of at most ``length`` characters, broken between parts where that is possible."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}{SEPARATOR}{part}" if lines[-1] else part
        if len(joined) <= length:
            lines[-1] = joined
        else:
            lines += textwrap.wrap(part, length, break_long_words=False)
    return [line for line in lines if line]
