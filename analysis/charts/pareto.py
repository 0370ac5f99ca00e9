"""The paper's chart: what a model costs against how good it is, a panel per scale (and a row per device)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.charts import style
from analysis.charts.annotate import Tag, annotate, settle
from analysis.charts.legend import caption, family_legend
from analysis.charts.ticks import log_scale
from analysis.measures.frontier import frontier
from search_space.metrics import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """The points of one scale on one device; arrays of equal length N, NaN where a value is missing."""

    title: str
    configs: Sequence[str]
    families: Sequence[str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    planned: int
    """How many configs there would be if everything were finished and measured."""
    disturbed: NDArray[np.bool_] | None = None
    """Which points (N,) were measured while the machine was busy; None: none."""
    errors: NDArray[np.float64] | None = None
    """Standard error of ``y`` over seeds (N,); None where none is known."""

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which points have both values."""
        return np.asarray(~(np.isnan(self.x) | np.isnan(self.y)))

    @property
    def shown(self) -> int:
        """Configs with a point."""
        return len({c for c, ok in zip(self.configs, self.complete, strict=True) if ok})


@dataclass(frozen=True)
class Drawn:
    """What the chart shows, for captions and tests."""

    shown: int
    planned: int
    frontiers: tuple[tuple[str, ...], ...]
    """Ids on the frontier of each panel, best x first."""


def draw(rows: Sequence[Sequence[Panel]], x: Quantity, y: Quantity, title: str, note: str = "") -> tuple[Figure, Drawn]:
    """The chart: one row of panels per device. Works with any number of points, none included."""
    from matplotlib.figure import Figure

    columns = max(len(row) for row in rows)
    with style.applied():
        figure = Figure(figsize=(max(3.6, 2.55 * columns + 0.5), 1.05 + 2.65 * len(rows)), layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        frontiers, tags = [], []
        for i, row in enumerate(rows):
            for j in range(columns):
                axes = grid[i, j]
                if j >= len(row):
                    axes.set_axis_off()
                    continue
                members, tag = _panel(axes, row[j], x, y)
                frontiers.append(members)
                tags.append(tag)
                if j == 0:
                    axes.set_ylabel(y.title)
                if i == len(rows) - 1:
                    axes.set_xlabel(x.title)
        panels = [panel for row in rows for panel in row]
        shown, planned = sum(p.shown for p in panels), sum(p.planned for p in panels)
        points = sum(int(p.complete.sum()) for p in panels)
        caption(figure, title, _missing(shown, planned, points, note))
        noisy = any(p.disturbed is not None and bool(p.disturbed[p.complete].any()) for p in panels)
        families = {f for p in panels for f, ok in zip(p.families, p.complete, strict=True) if ok}
        family_legend(figure, families, disturbed=noisy, rings=True)
        settle(figure)
        for tag in tags:
            annotate(figure, tag)
    return figure, Drawn(shown, planned, tuple(frontiers))


def _missing(shown: int, planned: int, points: int, note: str) -> str:
    """How many of the planned networks have points; some have several, as in two backends."""
    several = f"{points} points of " if points > shown else ""
    if shown < planned:
        missing = planned - shown
        without = f"{missing} ({missing / planned:.0%}) still without a result or a measurement"
        counted = f"{several}{shown} of {planned} {'networks' if several else 'points'}; {without}"
    elif several:
        counted = f"{several}{shown} networks"
    else:
        counted = f"all {shown} points" if shown else "no points yet"
    return f"{counted} · {note}" if note else counted


def _panel(axes: Axes, panel: Panel, x: Quantity, y: Quantity) -> tuple[tuple[str, ...], Tag]:
    drawn = panel.complete & (np.isfinite(panel.x) & np.isfinite(panel.y))
    if x.log:
        drawn &= panel.x > 0
        log_scale(axes, "x", panel.x[drawn])
    axes.grid(True)
    axes.set_title(panel.title, loc="left", color=style.INK)
    if not drawn.any():
        axes.text(0.5, 0.5, "no results yet", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set_yticks([])
        return (), Tag(axes, np.empty((0, 2)), (), np.empty((0, 2)), np.empty((0, 2)))
    xs, ys = panel.x[drawn], panel.y[drawn]
    configs = np.asarray(panel.configs, dtype=object)[drawn]
    families = np.asarray(panel.families, dtype=object)[drawn]
    members = list(frontier(np.column_stack([xs, ys]), (x.more_is_better, y.more_is_better)).members)
    path = _staircase(xs[members], ys[members])
    level = _reference(axes, families, ys, y)
    axes.plot(path[:, 0], path[:, 1], color=style.INK, linewidth=1.1, zorder=3, solid_joinstyle="miter")
    on = np.zeros(len(xs), dtype=bool)
    on[members] = True
    noisy = np.zeros(len(xs), dtype=bool) if panel.disturbed is None else panel.disturbed[drawn]
    if panel.errors is not None:
        bars = panel.errors[drawn][members]
        axes.errorbar(xs[members], ys[members], bars, fmt="none", ecolor=style.INK, elinewidth=0.8, zorder=3.5)
    _points(axes, xs, ys, families, on, noisy)
    _margins(axes, xs, ys, x)
    best = [_best(families == family, xs, ys, x, y) for family in style.in_order(families)]
    anchors = np.column_stack([xs[best], ys[best]])
    names = tuple(style.short(str(configs[i])) for i in best)
    if level is not None:
        path = np.vstack([path, [(np.nan, np.nan)], [(edge, level) for edge in axes.get_xlim()]])
    return tuple(dict.fromkeys(str(configs[i]) for i in members)), Tag(
        axes, anchors, names, np.column_stack([xs, ys]), path
    )


def _points(
    axes: Axes,
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    families: NDArray[Any],
    on: NDArray[np.bool_],
    noisy: NDArray[np.bool_],
) -> None:
    """Markers: those on the frontier larger and full in colour, disturbed ones hollow."""
    size = 11 if len(xs) > 120 else 18
    for family in style.in_order(families):
        look = style.look(family)
        for top in (False, True):
            shared: dict[str, Any] = {
                "marker": look.marker, "s": (1.7 if top else 1) * size * look.size**2, "zorder": 4 if top else 2
            }  # fmt: skip
            here = (families == family) & (on == top)
            quiet, hollow = here & ~noisy, here & noisy
            axes.scatter(
                xs[quiet], ys[quiet], color=look.colour, edgecolors="white" if top else "none",
                linewidths=0.5 if top else 0, alpha=None if top or family == "Bicubic" else 0.35, **shared,
            )  # fmt: skip
            axes.scatter(
                xs[hollow], ys[hollow], facecolors="white", edgecolors=look.colour, linewidths=0.9 if top else 0.6,
                alpha=None if top else 0.5, **shared,
            )  # fmt: skip


def _best(
    of_family: NDArray[np.bool_], xs: NDArray[np.float64], ys: NDArray[np.float64], x: Quantity, y: Quantity
) -> int:
    """The best in y; of several points of one model, as in two backends, the best in x."""
    places = np.flatnonzero(of_family)
    cost, quality = xs[places] if x.more_is_better else -xs[places], ys[places] if y.more_is_better else -ys[places]
    return int(places[np.lexsort((cost, quality))[-1]])


def _staircase(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners (P, 2) of the frontier's staircase. Members come best x first."""
    corners = [(xs[0], ys[0])]
    for i in range(1, len(xs)):
        corners += [(xs[i], ys[i - 1]), (xs[i], ys[i])]
    return np.asarray(corners)


def _reference(axes: Axes, families: NDArray[Any], ys: NDArray[np.float64], y: Quantity) -> float | None:
    """Draw bicubic's quality, which a network must beat, as a line; returns it, or None without bicubic."""
    bicubic = families == "Bicubic"
    if not bicubic.any():
        return None
    value = float(ys[bicubic].max() if y.more_is_better else ys[bicubic].min())
    axes.axhline(value, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
    return value


def _margins(axes: Axes, xs: NDArray[np.float64], ys: NDArray[np.float64], x: Quantity) -> None:
    """Widen the axes, so that labels have room."""
    low, high = float(ys.min()), float(ys.max())
    span = (high - low) or max(abs(high), 1.0) * 0.02
    axes.set_ylim(low - 0.08 * span, high + 0.30 * span)
    if x.log:
        first, last = np.log10(xs.min()), np.log10(xs.max())
        room = 0.06 * ((last - first) or 0.5)
        axes.set_xlim(10 ** (first - room), 10 ** (last + room))
