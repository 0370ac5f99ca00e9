"""Labels and lines of the frontier chart follow the direction of its axes."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.charts.pareto import Panel, draw
from search_space.metrics import cost, metric

FAMILIES = ("Bicubic", "Bicubic", "ESPCN", "ESPCN", "ESPCN")
CONFIGS = ("Bicubic_s2", "Bicubic_s2", "ESPCN_s2_D4_S3", "ESPCN_s2_D8_S6", "ESPCN_s2_D16_S9")


def panel(y: list[float]) -> Panel:
    x = np.array([90.0, 90.0, 50.0, 30.0, 20.0])
    return Panel("x2", CONFIGS, FAMILIES, x, np.array(y), planned=5)


@pytest.mark.parametrize(
    ("column", "y", "level"),
    [
        ("psnr:Set5", [30.0, 29.0, 31.0, 34.0, 32.0], 30.0),
        ("lpips:Set5", [0.30, 0.35, 0.2, 0.1, 0.15], 0.30),
    ],
)  # fmt: skip
def test_the_best_of_a_family_is_labelled_and_bicubics_best_is_the_line_to_beat(
    column: str, y: list[float], level: float
) -> None:
    from analysis.charts import style

    figure, drawn = draw([[panel(y)]], cost("fps"), metric(column), "title")
    assert drawn.frontiers == (("Bicubic_s2", "ESPCN_s2_D4_S3", "ESPCN_s2_D8_S6"),)
    (axes,) = [one for one in figure.axes if one.get_title(loc="left") == "x2"]
    texts = {text.get_text() for text in axes.texts}
    assert style.short("ESPCN_s2_D8_S6") in texts
    assert style.short("ESPCN_s2_D4_S3") not in texts and style.short("ESPCN_s2_D16_S9") not in texts
    levels = [
        line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1 and len(line.get_ydata()) == 2
    ]
    assert level in levels
    assert axes.get_ylabel() == metric(column).title


def test_less_cost_is_better_where_the_axis_says_so() -> None:
    x = np.array([100.0, 200.0, 400.0])
    one = Panel("x2", CONFIGS[2:], FAMILIES[2:], x, np.array([31.0, 30.0, 33.0]), planned=3)
    _, drawn = draw([[one]], cost("parameters"), metric("psnr:Set5"), "title")
    assert drawn.frontiers == (("ESPCN_s2_D4_S3", "ESPCN_s2_D16_S9"),)
