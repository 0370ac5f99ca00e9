"""Where labels go: beside their point, on no other point, line or label; pure geometry in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CELL = 3
"""Side in pixels of a cell of the occupancy grid."""
STEP = (9.0, 5.0)
"""Places tried lie on a grid of this pitch in pixels."""
ROUNDS = 3
HIDING = 1000
"""Cost of a hidden marker, in pixels of distance: a label goes as far as it must before it hides one or is crossed by
a line."""
CROSSED, RUN_THROUGH = 400, 5000
"""Costs of two leaders that cross, and of a leader that runs through another's label or point."""
NEAR = 7.0
"""A label keeps this far from its point, in pixels."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box, gap: float = 0) -> bool:
        """Whether they come closer than ``gap``."""
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.bottom < other.top + gap
            and other.bottom < self.top + gap
        )


def place(
    anchors: NDArray[np.float64],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    points: NDArray[np.float64],
    radius: float = 3.0,
    path: NDArray[np.float64] | None = None,
    taken: Sequence[Box] = (),
) -> list[Box]:
    """A box for each label, near its anchor, inside ``bounds``.

    ``anchors`` (L, 2) are the labelled points, ``sizes`` the (width, height) of the labels, ``points`` (N, 2)
    everything that should stay visible, ``path`` (P, 2) a line to keep off, ``taken`` boxes that are in use.
    Labels never overlap each other or ``taken`` while any place is left; of the places left, the one that
    hides least and lies nearest wins.
    """
    grid = _occupancy(points, radius, path, bounds)
    table = _summed(grid)
    labels = [_label(anchor, size, bounds, grid, table) for anchor, size in zip(anchors, sizes, strict=True)]
    tried = [_one_by_one(order, labels, taken) for order in _orders(anchors, sizes, table, bounds)]
    boxes, _ = min(tried, key=lambda found: found[1])
    return boxes


@dataclass(frozen=True)
class _Label:
    """A label with the places it may take."""

    anchor: NDArray[np.float64]
    boxes: NDArray[np.float64]
    """(K, 4): left, bottom, right, top."""
    ends: NDArray[np.float64]
    """Where the leader to each place ends (K, 2)."""
    alone: NDArray[np.float64]
    """What each place costs, whatever the other labels do (K,)."""


def _label(
    anchor: NDArray[np.float64],
    size: tuple[float, float],
    bounds: Box,
    grid: NDArray[np.float64],
    table: NDArray[np.float64],
) -> _Label:
    boxes = _candidates(anchor, size, bounds)
    ends = np.clip(anchor, boxes[:, :2], boxes[:, 2:])
    away = np.hypot(*(ends - anchor).T)
    alone = away + away**2 / 50 + HIDING * _covered(table, boxes, bounds) + 0.6 * _along(grid, anchor, ends, bounds)
    return _Label(anchor, boxes, ends, alone)


def _orders(
    anchors: NDArray[np.float64], sizes: Sequence[tuple[float, float]], table: NDArray[np.float64], bounds: Box
) -> list[list[int]]:
    """In which order labels may choose: those in the thick of it first, or along an axis; the best result is taken."""
    around = [_covered(table, np.array([[a[0] - w, a[1] - 2 * h, a[0] + w, a[1] + 2 * h]]), bounds)[0]
              for a, (w, h) in zip(anchors, sizes, strict=True)]  # fmt: skip
    keys = [-np.asarray(around), *anchors.T, *-anchors.T]
    return [np.argsort(key, kind="stable").tolist() for key in keys]


def _one_by_one(order: Sequence[int], labels: Sequence[_Label], taken: Sequence[Box]) -> tuple[list[Box], float]:
    """Each label in turn takes the cheapest place, ``ROUNDS`` times, knowing all the others; with the last costs."""
    done: dict[int, Box] = {}
    paid: dict[int, float] = {}
    for i in [*order] * ROUNDS:
        label, others = labels[i], [(labels[k].anchor, box) for k, box in done.items() if k != i]
        boxes = label.boxes
        used = np.array([_edges(box) for box in [*taken, *(box for _, box in others)]]).reshape(-1, 4)
        clash = ((boxes[:, None, :2] < used[None, :, 2:] + 1) & (used[None, :, :2] < boxes[:, None, 2:] + 1)).all(2)
        costs = label.alone + 1e6 * clash.sum(axis=1) + _crossings(boxes, label.ends, label.anchor, others)
        best = int(np.argmin(costs))
        done[i], paid[i] = Box(*boxes[best].tolist()), float(costs[best])
    return [done[i] for i in range(len(labels))], sum(paid.values())


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.bottom, box.right, box.top


def _crossings(
    boxes: NDArray[np.float64],
    ends: NDArray[np.float64],
    anchor: NDArray[np.float64],
    others: Sequence[tuple[NDArray[np.float64], Box]],
) -> NDArray[np.float64]:
    """What each of K candidates costs by the leaders it crosses and the labels and points that are run through (K,)."""
    found = np.zeros(len(boxes))
    for start, box in others:
        end = nearest(box, start)
        found += CROSSED * _cross(anchor, ends, start, end)
        for run_through in (box, Box(*(start - NEAR), *(start + NEAR))):
            found += RUN_THROUGH * _through(anchor[None], ends, np.array([_edges(run_through)]))
        found += RUN_THROUGH * _through(start[None], end[None], boxes)
    return found


def nearest(box: Box, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place on a box's edge nearest to a point: where its leader starts."""
    return np.array([min(max(point[0], box.left), box.right), min(max(point[1], box.bottom), box.top)])


def _candidates(anchor: NDArray[np.float64], size: tuple[float, float], bounds: Box) -> NDArray[np.float64]:
    """Boxes (K, 4) inside the bounds that keep off the anchor: left, bottom, right, top."""
    width, height = size
    xs = np.arange(bounds.left, max(bounds.left, bounds.right - width) + 1, STEP[0])
    ys = np.arange(bounds.bottom, max(bounds.bottom, bounds.top - height) + 1, STEP[1])
    # The places right above, below and beside the point, which the grid may miss.
    xs = np.append(xs, np.clip([anchor[0] - width / 2, anchor[0] + NEAR, anchor[0] - NEAR - width], xs[0], xs[-1]))
    ys = np.append(ys, np.clip([anchor[1] - height / 2, anchor[1] + NEAR, anchor[1] - NEAR - height], ys[0], ys[-1]))
    left, bottom = (each.ravel() for each in np.meshgrid(xs, ys))
    boxes = np.column_stack([left, bottom, left + width, bottom + height])
    gaps = np.hypot(*(np.clip(anchor, boxes[:, :2], boxes[:, 2:]) - anchor).T)
    free = boxes[gaps >= NEAR - 1]
    return free if len(free) else boxes


def _occupancy(
    points: NDArray[np.float64], radius: float, path: NDArray[np.float64] | None, bounds: Box
) -> NDArray[np.float64]:
    """How many points (and how much line) lie in each cell."""
    columns = int((bounds.right - bounds.left) // CELL) + 2
    rows = int((bounds.top - bounds.bottom) // CELL) + 2
    grid = np.zeros((rows, columns))
    _drop(grid, points, bounds, 1.0)
    for dx, dy in ((radius, 0), (-radius, 0), (0, radius), (0, -radius)):
        _drop(grid, points + np.array([dx, dy]), bounds, 0.5)
    if path is not None and len(path) > 1:
        steps = [
            np.linspace(a, b, max(2, int(np.hypot(*(b - a)) / CELL)))
            for a, b in pairwise(path)
            if np.isfinite([a, b]).all()
        ]
        if steps:
            _drop(grid, np.concatenate(steps), bounds, 0.4)
    return grid


def _summed(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Summed-area table, so that a box is counted in four look-ups (Crow, SIGGRAPH 1984)."""
    table = np.zeros((grid.shape[0] + 1, grid.shape[1] + 1))
    table[1:, 1:] = grid.cumsum(axis=0).cumsum(axis=1)
    return table


def _drop(grid: NDArray[np.float64], points: NDArray[np.float64], bounds: Box, weight: float) -> None:
    points = points[np.isfinite(points).all(axis=1)]
    cells = ((points - (bounds.left, bounds.bottom)) // CELL).astype(int)
    inside = (cells >= 0).all(axis=1) & (cells[:, 0] < grid.shape[1]) & (cells[:, 1] < grid.shape[0])
    np.add.at(grid, (cells[inside, 1], cells[inside, 0]), weight)


def _covered(table: NDArray[np.float64], boxes: NDArray[np.float64], bounds: Box) -> NDArray[np.float64]:
    """What each of ``boxes`` (K, 4) hides (K,)."""
    rows, columns = table.shape[0] - 1, table.shape[1] - 1
    left = np.clip((boxes[:, 0] - 2 - bounds.left) // CELL, 0, columns).astype(int)
    right = np.clip((boxes[:, 2] + 2 - bounds.left) // CELL + 1, 0, columns).astype(int)
    bottom = np.clip((boxes[:, 1] - 1 - bounds.bottom) // CELL, 0, rows).astype(int)
    top = np.clip((boxes[:, 3] + 1 - bounds.bottom) // CELL + 1, 0, rows).astype(int)
    found: NDArray[np.float64] = table[top, right] - table[bottom, right] - table[top, left] + table[bottom, left]
    return found


def _along(
    grid: NDArray[np.float64], anchor: NDArray[np.float64], ends: NDArray[np.float64], bounds: Box
) -> NDArray[np.float64]:
    """What a leader from the anchor to each of ``ends`` (K, 2) passes over (K,), the anchor's own place left out."""
    share = np.linspace(0.15, 1.0, 24)[:, None, None]
    places = anchor + share * (ends - anchor)
    cells = ((places - (bounds.left, bounds.bottom)) // CELL).astype(int)
    x = np.clip(cells[..., 0], 0, grid.shape[1] - 1)
    y = np.clip(cells[..., 1], 0, grid.shape[0] - 1)
    length = np.hypot(*(ends - anchor).T)
    mean: NDArray[np.float64] = grid[y, x].mean(axis=0) * length / CELL
    return mean


def _cross(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether the segments from a to each of b (K, 2) cross the segment c-d: (K,)."""

    def side(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        way, there = q - p, r - p
        return np.asarray(way[..., 0] * there[..., 1] - way[..., 1] * there[..., 0])

    return np.asarray((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0))


def _through(a: NDArray[np.float64], b: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether segments a-b (each (K, 2) or (1, 2)) enter boxes (K or 1, 4): clip to two slabs (Liang, Barsky 1984)."""
    way = b - a
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (boxes[:, :2] - a) / way, (boxes[:, 2:] - a) / way
    # A segment along one axis lies inside that slab wholly or not at all.
    still = way == 0
    inside = (boxes[:, :2] < a) & (a < boxes[:, 2:])
    low = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(one, two))
    high = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(one, two))
    return np.asarray(np.maximum(low.max(axis=1), 0) < np.minimum(high.min(axis=1), 1))
