"""On a drawn chart no label covers a marker, and neither the frontier nor another's leader runs through one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.charts import pareto as chart
from analysis.charts.annotate import Tag, annotate
from analysis.charts.label_placement import Box, _through, nearest
from analysis.kinds import figure
from analysis.reading.selection import Selection
from results_db.store import Store


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tag, list[Box]]]:
    """What each panel of the charts drawn in a test was to have, and where its labels came."""
    found: list[tuple[Tag, list[Box]]] = []

    def kept(drawn: Figure, tag: Tag) -> list[Box]:
        found.append((tag, annotate(drawn, tag)))
        return found[-1][1]

    monkeypatch.setattr(chart, "annotate", kept)
    return found


@pytest.mark.parametrize("device", ["board", "laptop"])
@pytest.mark.parametrize("x", ["fps", "parameters", "macs"])
def test_labels_hide_no_marker_and_are_not_crossed(
    sweep_store: Store, device: str, x: str, placed: list[tuple[Tag, list[Box]]]
) -> None:
    figure("pareto", sweep_store, Selection(device=device, x=x))
    assert sum(len(boxes) for _, boxes in placed) > 15
    check(placed)


@pytest.mark.parametrize("x", ["fps", "parameters"])
def test_nor_among_all_the_published_models_on_every_device(
    published_store: Store, x: str, placed: list[tuple[Tag, list[Box]]]
) -> None:
    figure("pareto", published_store, Selection(x=x))
    assert len(placed) == (9 if x == "fps" else 3)
    check(placed)


def check(placed: list[tuple[Tag, list[Box]]]) -> None:
    """No marker is under a label, no line and no leader of another label runs through it."""
    for tag, boxes in placed:
        points, corners = (tag.axes.transData.transform(each) for each in (tag.points, tag.path))
        anchors = tag.axes.transData.transform(tag.anchors)
        leaders = [(anchor, nearest(box, anchor)) for anchor, box in zip(anchors, boxes, strict=True)]
        frontier = [(a, b) for a, b in pairwise(corners) if np.isfinite([a, b]).all()]
        for i, box in enumerate(boxes):
            lines = [*frontier, *leaders[:i], *leaders[i + 1 :]]
            inside = (points > (box.left, box.bottom)).all(axis=1) & (points < (box.right, box.top)).all(axis=1)
            assert not inside.any()
            edges = np.array([[box.left, box.bottom, box.right, box.top]])
            assert not any(_through(a[None], b[None], edges).any() for a, b in lines)
