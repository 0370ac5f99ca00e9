"""The page marks speeds that were measured while the machine was busy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report.content import content
from analysis.report.page import render
from analysis.report.samples import Samples
from results_db.store import Store
from search_space import parse_id
from tests.analysis_tests.browser import Tab, chromium

pytestmark = pytest.mark.xdist_group("browser")
POINTS = "#chart .scatterlayer path.point"
SYMBOLS = "document.getElementById('chart').data.filter((t) => t.customdata).flatMap((t) => t.marker.symbol)"


@pytest.fixture(scope="module")
def tab(sweep_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    folder = tmp_path_factory.mktemp("noisy")
    shutil.copy(sweep_db, folder / "noisy.db")
    with Store.open(str(folder / "noisy.db")) as store:
        store.add_speeds([
            replace(one, detail={"disturbed": parse_id(one.config).scale == 2, "threads": 2, "output": [1920, 1080]})
            for one in store.speeds(device="board")
        ])  # fmt: skip
        page = render(content(store, samples=Samples(0)))
    (folder / "page.html").write_text(page, encoding="utf-8")
    with chromium() as tab:
        tab.page.goto((folder / "page.html").as_uri())
        tab.page.wait_for_selector(POINTS)
        yield tab


def test_disturbed_points_are_hollow_counted_and_told_how_to_repeat(tab: Tab) -> None:
    symbols = tab.page.evaluate(SYMBOLS)
    assert sum(symbol.endswith("-open") for symbol in symbols) == 10
    told = tab.page.text_content("#chart-text")
    assert "10 of 28 speeds are disturbed" in told
    assert "1920x1080 (fullhd14), eager fp32, 2 threads; 1 seed" in told
    assert "sweep benchmark --disturbed --db" in tab.page.text_content("#notes")


def test_rows_and_the_pick_say_that_a_speed_is_disturbed(tab: Tab) -> None:
    marked = tab.page.locator("#models-table tbody tr", has_text="disturbed").count()
    assert marked == 10
    assert "speed disturbed" in tab.page.locator("#pick .pick").first.text_content()


def test_an_axis_that_is_not_measured_has_no_hollow_points(tab: Tab) -> None:
    tab.page.select_option("#x", "parameters")
    assert not any(symbol.endswith("-open") for symbol in tab.page.evaluate(SYMBOLS))
    assert "disturbed" not in tab.page.text_content("#chart-text")
    tab.page.select_option("#x", "fps")


def test_disturbed_speeds_can_be_left_out(tab: Tab) -> None:
    tab.page.check("#quiet")
    assert "10 of 28" not in tab.page.text_content("#chart-text")
    assert tab.page.locator("#models-table tbody tr", has_text="disturbed").count() == 0
    tab.page.uncheck("#quiet")


def test_the_copied_export_command_names_the_database(tab: Tab) -> None:
    command = tab.page.locator("#pick .command code").first.text_content()
    assert command.startswith("sweep export ") and "noisy.db" in command
    assert not tab.trouble
