"""What the page shows can be sent as a link, and it always has something to say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.report.content import content
from analysis.report.page import render
from analysis.report.samples import Samples
from results_db.store import Store
from tests.analysis_tests.browser import Tab, chromium

pytestmark = pytest.mark.xdist_group("browser")
POINTS = "#chart .scatterlayer path.point"


@pytest.fixture(scope="module")
def address(sweep_store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("view") / "report.html"
    path.write_text(render(content(sweep_store, samples=Samples(0))), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(address: str) -> Iterator[Tab]:
    with chromium() as tab:
        tab.page.goto(address)
        tab.page.wait_for_selector(POINTS)
        yield tab
        assert not tab.trouble


def test_a_link_shows_what_i_see(tab: Tab) -> None:
    tab.page.select_option("#device", "laptop")
    tab.page.select_option("#dataset", "Set14")
    tab.page.uncheck("#scales input[value='4']")
    tab.page.fill("#find", "eSR-TR_s3_K3_C4")
    tab.page.press("#find", "Enter")
    link = tab.page.evaluate("location.href")
    with chromium() as other:
        other.page.goto(link)
        other.page.wait_for_selector(POINTS)
        assert other.page.text_content("#chart-title") == tab.page.text_content("#chart-title")
        assert other.page.text_content("#chart-text") == tab.page.text_content("#chart-text")
        assert other.page.text_content("#detail-title") == "eSR-TR_s3_K3_C4"
        assert not other.page.is_checked("#scales input[value='4']") and not other.trouble


def test_the_pick_is_chosen_at_the_start(tab: Tab) -> None:
    assert tab.page.text_content("#detail-title") == tab.page.locator("#pick .pick").first.get_attribute("data-config")


def test_a_name_that_is_not_here_is_answered(tab: Tab) -> None:
    tab.page.fill("#find", "eSR-TM_s2")
    tab.page.press("#find", "Enter")
    told = tab.page.text_content("#find-answer")
    assert "There is no model eSR-TM_s2 here; there is eSR-TM_s2_K" in told


def test_a_found_model_is_scrolled_to_and_shown_though_its_family_was_hidden(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 900, "height": 500})
    tab.page.uncheck("#families input[value='eSR-TR']")
    tab.page.fill("#find", "eSR-TR_s3_K3_C4")
    tab.page.press("#find", "Enter")
    assert tab.page.is_checked("#families input[value='eSR-TR']")
    box = tab.page.evaluate("document.getElementById('detail').getBoundingClientRect().toJSON()")
    assert box["top"] < 500 and box["bottom"] > 0


def test_an_axis_without_data_cannot_be_chosen(tab: Tab) -> None:
    names = tab.page.locator("#x option").evaluate_all("options => options.map(o => o.value)")
    assert "memory" not in names and {"fps", "power", "parameters"} <= set(names)
    tab.page.goto(tab.page.evaluate("location.href.split('#')[0]") + "#x=memory&device=nowhere&scales=9")
    tab.page.reload()
    tab.page.wait_for_selector("#chart .plot-container")
    assert tab.page.input_value("#x") != "memory"
