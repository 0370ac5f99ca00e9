from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.charts import annotate
from analysis.charts.label_placement import Box, nearest, place
from analysis.pareto import draw
from analysis.reading.results import gather
from analysis.reading.selection import Selection
from results_db.store import Store

BOUNDS = Box(0, 0, 300, 260)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 260)), min_size=1, max_size=9), st.integers(0, 1000))
def test_labels_never_overlap_and_stay_inside(anchors: list[tuple[float, float]], seed: int) -> None:
    points = np.random.default_rng(seed).random((200, 2)) * (300, 260)
    boxes = place(np.array(anchors), [(90.0, 11.0)] * len(anchors), BOUNDS, points)
    for i, box in enumerate(boxes):
        assert BOUNDS.left <= box.left and box.right <= BOUNDS.right + 1e-9
        assert BOUNDS.bottom <= box.bottom and box.top <= BOUNDS.top + 1e-9
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_a_label_keeps_off_points_when_there_is_room() -> None:
    cloud = np.random.default_rng(3).random((400, 2)) * (300, 120)
    (box,) = place(np.array([[150.0, 118.0]]), [(90.0, 11.0)], BOUNDS, cloud)
    inside = (cloud > (box.left, box.bottom)) & (cloud < (box.right, box.top))
    assert not inside.all(axis=1).any()


def test_a_lone_label_stays_near_its_point() -> None:
    anchor = np.array([[150.0, 130.0]])
    (box,) = place(anchor, [(60.0, 10.0)], BOUNDS, anchor)
    gap = np.hypot(max(box.left - 150, 0, 150 - box.right), max(box.bottom - 130, 0, 130 - box.top))
    assert 5 <= gap <= 12


@pytest.mark.parametrize("device", ["AGX", "RPI"])
def test_on_the_published_chart_no_label_touches_another(
    published_store: Store, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels: list[list[Box]] = []
    real = annotate.place

    def remembered(*args: object, **others: object) -> list[Box]:
        panels.append(real(*args, **others))  # type: ignore[arg-type]
        return panels[-1]

    monkeypatch.setattr(annotate, "place", remembered)
    draw(gather(published_store, Selection(device=device)), Selection(device=device))
    assert [len(boxes) for boxes in panels] == [7, 7, 7]
    for boxes in panels:
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_leader_runs_through_no_other_labelled_point() -> None:
    cloud = np.stack(np.meshgrid(np.arange(0, 172, 6.0), np.arange(0, 260, 6.0)), axis=-1).reshape(-1, 2)
    anchors = np.array([[20.0, 130.0], [95.0, 130.0], [95.0, 142.0], [95.0, 118.0], [160.0, 130.0]])
    boxes = place(anchors, [(60.0, 10.0)] * len(anchors), BOUNDS, cloud)
    for i, (start, box) in enumerate(zip(anchors, boxes, strict=True)):
        way = nearest(box, start) - start
        for other in np.delete(anchors, i, axis=0):
            along = np.clip((other - start) @ way / (way @ way), 0, 1)
            assert np.hypot(*(start + along * way - other)) > 4
