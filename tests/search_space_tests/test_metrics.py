"""The one table of metrics and costs: every user of it sees the same direction, unit and column."""

from __future__ import annotations

import pytest

from results_db.reading.frames import SPEED_COLUMNS
from search_space.errors import SweepError
from search_space.metrics import COSTS, METRICS, cost, direction, metric
from sweep.search.objectives import FREE, MEASURED, QUALITY, Objective
from workers.quality.protocol import require_metrics

MORE_IS_BETTER = {"psnr", "ssim", "fps"}


@pytest.mark.parametrize("name", [*METRICS, *COSTS])
def test_each_quantity_has_its_direction_everywhere(name: str) -> None:
    more = name in MORE_IS_BETTER
    assert (METRICS | COSTS)[name].more_is_better is more
    assert direction(name) == Objective(name, "x").direction == ("maximize" if more else "minimize")
    assert (Objective(name, "x").axis(3.0) > Objective(name, "x").axis(2.0)) is more


def test_a_metric_of_a_test_set_keeps_its_unit_and_direction() -> None:
    assert (metric("lpips:Set5").more_is_better, metric("psnr:Set5").unit) == (False, "dB")
    assert metric("psnr:Set5").title == "PSNR on Set5 (dB)"
    assert metric("vmaf:Set5").more_is_better


def test_every_metric_can_be_measured_and_searched_for() -> None:
    require_metrics([name for name in METRICS if name != "lpips"])
    assert tuple(METRICS) == QUALITY


def test_measured_costs_are_columns_of_the_speed_table_and_the_others_are_not() -> None:
    assert {COSTS[name].column for name in MEASURED} <= set(SPEED_COLUMNS)
    assert not {COSTS[name].column for name in FREE} & set(SPEED_COLUMNS)
    assert {*MEASURED, *FREE} == set(COSTS)


def test_a_cost_goes_by_its_name_or_its_column_and_another_is_refused() -> None:
    assert cost("power") is cost("power_w")
    with pytest.raises(SweepError, match=r"there is no cost 'weight' .*fps, power"):
        cost("weight")


@pytest.mark.parametrize(
    ("name", "column", "title", "more_is_better", "log"),
    [
        ("fps", "fps", "Speed (frames/s)", True, True),
        ("power", "power_w", "Power (W)", False, False),
        ("energy", "energy_j", "Energy per frame (J)", False, True),
        ("parameters", "parameters", "Parameters", False, True),
        ("macs", "macs_full_hd", "Multiply-accumulates per Full-HD frame", False, True),
        ("memory", "memory_mib", "Memory (MiB)", False, True),
    ],
)
def test_a_cost_has_its_column_title_direction_and_scale(
    name: str, column: str, title: str, more_is_better: bool, log: bool
) -> None:
    axis = cost(name)
    assert (axis.column, axis.title, axis.more_is_better, axis.log) == (column, title, more_is_better, log)
    assert cost(column) == axis


@pytest.mark.parametrize(
    ("column", "title", "more_is_better"),
    [
        ("psnr:Set5", "PSNR on Set5 (dB)", True),
        ("ssim:Set5", "SSIM on Set5", True),
        ("lpips:Set5", "LPIPS on Set5", False),
        ("vif:Set5", "vif on Set5", True),
    ],
)
def test_a_quality_has_its_title_and_direction(column: str, title: str, more_is_better: bool) -> None:
    axis = metric(column)
    assert (axis.column, axis.title, axis.more_is_better, axis.log) == (column, title, more_is_better, False)
    assert axis.name == column.split(":")[0]
