"""Each quantity has its unit and its direction."""

from __future__ import annotations

import pytest

from search_space.metrics import cost, metric


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
