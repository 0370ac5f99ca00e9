"""On a drawn chart no label covers a marker, and the frontier runs through none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.charts import pareto as chart
from analysis.charts.annotate import Tag, annotate
from analysis.charts.label_placement import Box, _through
from analysis.kinds import figure
from analysis.reading.selection import Selection
from results_db.store import Store


@pytest.mark.parametrize("device", ["board", "laptop"])
@pytest.mark.parametrize("x", ["fps", "parameters", "macs"])
def test_labels_hide_no_marker_and_are_not_crossed(
    sweep_store: Store, device: str, x: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[tuple[Tag, list[Box]]] = []

    def kept(drawn: Figure, tag: Tag) -> list[Box]:
        placed.append((tag, annotate(drawn, tag)))
        return placed[-1][1]

    monkeypatch.setattr(chart, "annotate", kept)
    figure("pareto", sweep_store, Selection(device=device, x=x))
    assert sum(len(boxes) for _, boxes in placed) > 15
    for tag, boxes in placed:
        points, corners = (tag.axes.transData.transform(each) for each in (tag.points, tag.path))
        lines = [(a, b) for a, b in pairwise(corners) if np.isfinite([a, b]).all()]
        for box in boxes:
            inside = (points > (box.left, box.bottom)).all(axis=1) & (points < (box.right, box.top)).all(axis=1)
            assert not inside.any()
            edges = np.array([[box.left, box.bottom, box.right, box.top]])
            assert not any(_through(a[None], b[None], edges).any() for a, b in lines)
