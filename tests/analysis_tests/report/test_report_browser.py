"""The page in a real browser, as a person uses it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.measures.best_in_budget import choose
from analysis.reading.results import gather
from analysis.report.content import content
from analysis.report.page import render
from results_db.store import Store
from tests.analysis_tests import kit
from tests.analysis_tests.browser import Tab, chromium

pytestmark = pytest.mark.xdist_group("browser")
POINTS = "#chart .scatterlayer path.point"


@pytest.fixture(scope="module")
def shown(sweep_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(content(sweep_store)), encoding="utf-8")
    with chromium() as tab:
        tab.page.goto(path.as_uri())
        tab.page.wait_for_selector(POINTS)
        yield tab


@pytest.fixture
def tab(shown: Tab) -> Tab:
    """The page as it is when opened, without the view that its address remembers."""
    shown.page.evaluate("history.replaceState(null, '', location.pathname)")
    shown.page.reload()
    shown.page.wait_for_selector(POINTS)
    return shown


def count(tab: Tab) -> int:
    """Models drawn in the chart."""
    return int(
        tab.page.evaluate(
            "document.getElementById('chart').data.filter((t) => t.customdata).reduce((n, t) => n + t.x.length, 0)"
        )
    )


def names(tab: Tab) -> list[str]:
    """The ids in the table of models."""
    return list(tab.page.locator("#models-table tbody tr td:first-child").all_text_contents())


def test_it_opens_without_a_network_request_or_a_console_error(tab: Tab) -> None:
    assert count(tab) == 28
    assert "28 of 30 trials done, 1 failed" in tab.page.text_content("#summary")
    assert not tab.trouble
    assert all(url.startswith(("file:", "data:", "blob:")) for url in tab.requests)


def test_filters_leave_only_what_was_chosen(tab: Tab) -> None:
    tab.page.get_by_label("x4", exact=True).uncheck()
    tab.page.get_by_label("ESPCN", exact=True).uncheck()
    tab.until("!document.getElementById('chart-text').textContent.includes('x4')")
    rows = names(tab)
    assert rows and all("_s4_" not in row and not row.startswith("ESPCN") for row in rows)
    assert count(tab) == len(rows) == 15
    tab.page.locator("#filter").fill("esr-tm_s2")
    assert all(
        "eSR-TM_s2" in row for row in tab.page.locator("#models-table tbody tr td:first-child").all_text_contents()
    )


def test_device_metric_test_set_and_axes_can_be_chosen(tab: Tab) -> None:
    tab.page.select_option("#device", "laptop")
    tab.page.select_option("#metric", "ssim")
    tab.page.select_option("#x", "macs")
    tab.until("document.getElementById('chart-title').textContent.includes('SSIM on Set5 on laptop')")
    assert "Multiply-accumulates" in tab.page.text_content("#chart-title")
    tab.page.select_option("#metric", "psnr")
    tab.page.select_option("#dataset", "Set14")
    tab.until("document.getElementById('chart-title').textContent.includes('PSNR on Set14')")


FIRST_POINT = """() => {
  const node = document.getElementById("chart"), trace = node.data.find((t) => t.customdata && t.x.length);
  const box = node.getBoundingClientRect(), { xaxis, yaxis } = node._fullLayout;
  const place = [box.x + xaxis._offset + xaxis.d2p(trace.x[0]), box.y + yaxis._offset + yaxis.d2p(trace.y[0])];
  return [...place, trace.customdata[0].model.config];
}"""


def hover(tab: Tab) -> str:
    """Move the mouse onto a point and wait for its figures; returns its id."""
    # A page that is loaded again stands where it stood, which may be far below the chart.
    tab.page.evaluate("scrollTo(0, 0)")
    x, y, config = tab.page.evaluate(FIRST_POINT)
    tab.page.mouse.move(x - 3, y)
    tab.page.mouse.move(x, y)
    tab.page.wait_for_selector("#chart .hovertext")
    return str(config)


def test_hovering_a_point_shows_its_id_and_all_figures(tab: Tab) -> None:
    config = hover(tab)
    text = tab.page.text_content("#chart .hovertext")
    assert config in text
    for label in ("Speed:", "Power:", "Parameters:", "PSNR Set5:", "PSNR Set14:", "SSIM Set5:"):
        assert label in text


def test_clicking_a_point_shows_its_details_and_crops(tab: Tab) -> None:
    config = hover(tab)
    tab.click()
    tab.until("(id) => document.getElementById('detail-title').textContent === id", arg=config)
    widths = tab.page.evaluate("[...document.querySelectorAll('#detail img')].map((i) => i.naturalWidth)")
    assert widths == [96, 96, 96]
    assert "Elsewhere" in tab.page.text_content("#detail")


def test_the_budget_names_the_model_that_sweep_best_names(tab: Tab, sweep_store: Store) -> None:
    tab.page.locator("#fps").fill("60")
    limit = tab.page.evaluate("state.fps")
    table = gather(sweep_store).table
    results = gather(sweep_store)
    for scale in (2, 3, 4):
        mine = table[(table["device"] == "board") & (table["scale"] == scale)]
        pick = choose(mine, results.metric("psnr:Set5"), min_fps=limit).pick
        card = tab.page.locator(f"#pick .pick:has(h3:text-is('x{scale}'))")
        assert pick is not None and card.get_attribute("data-config") == pick["config"]
        command = card.locator("code").text_content()
        assert command.startswith(f"sweep export {pick['config']} ") and "--format onnx" in command
    tab.page.locator("#watts").fill("0")
    assert "W" in tab.page.text_content("#watts-out")


def test_tables_sort_both_ways(tab: Tab) -> None:
    def speeds() -> list[float]:
        index = tab.page.locator("#models-table thead th").all_text_contents().index("frames/s") + 1
        cells = tab.page.locator(f"#models-table tbody td:nth-child({index})").all_text_contents()
        return [float(cell.replace(",", "")) for cell in cells]

    head = tab.page.locator("#models-table th:has-text('frames/s')")
    head.locator("button").click()
    assert speeds() == sorted(speeds(), reverse=True) and head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert speeds() == sorted(speeds()) and head.get_attribute("aria-sort") == "ascending"


def test_tables_and_chart_can_be_downloaded(tab: Tab, tmp_path: Path) -> None:
    for button, name in (("#download-csv", "a.csv"), ("#download-json", "a.json"), ("#download-chart", "a.svg")):
        with tab.page.expect_download() as download:
            tab.page.click(button)
        download.value.save_as(tmp_path / name)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert len(rows) == 28 and {"config", "fps", "psnr:Set5", "power_w"} <= set(rows[0])
    assert {row["config"] for row in json.loads((tmp_path / "a.json").read_text())} == {row["config"] for row in rows}
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


def test_the_keyboard_alone_reaches_a_model(tab: Tab) -> None:
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    tab.page.locator("#find").focus()
    tab.page.keyboard.type("eSR-TR_s3_K3_C4")
    tab.page.keyboard.press("Enter")
    assert tab.page.text_content("#detail-title") == "eSR-TR_s3_K3_C4"
    tab.page.locator("#models-table tbody button").first.focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.text_content("#detail-title") != "eSR-TR_s3_K3_C4"


def test_everything_to_operate_has_a_name_for_screen_readers(tab: Tab) -> None:
    nameless = tab.page.evaluate(
        """() => [...document.querySelectorAll('button, select, input')].filter((e) =>
        !e.textContent.trim() && !e.labels?.length && !e.getAttribute('aria-label')).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert tab.page.locator("#chart").get_attribute("aria-describedby") == "chart-text chart-keys"
    assert "on the frontier" in tab.page.text_content("#chart-text")
    assert tab.page.evaluate("[...document.querySelectorAll('img')].every((i) => i.alt)")


def test_plotlys_upload_button_is_not_there(tab: Tab) -> None:
    titles = tab.page.evaluate("[...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title || '')")
    assert titles and not any(word in title.lower() for title in titles for word in ("cloud", "share", "upload"))


def test_dark_mode_follows_the_system_and_the_button(tab: Tab) -> None:
    def background() -> str:
        return str(tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    tab.page.emulate_media(color_scheme="dark")
    dark = background()
    assert dark != "rgb(255, 255, 255)"
    tab.page.click("#theme")
    assert background() == "rgb(255, 255, 255)"
    tab.page.emulate_media(color_scheme="light")
    tab.page.click("#theme")
    assert background() == dark


def test_on_paper_the_controls_are_gone_and_the_chart_is_there(tab: Tab, tmp_path: Path) -> None:
    tab.page.emulate_media(media="print")
    assert not tab.page.is_visible("#controls") and tab.page.is_visible("#chart")
    pdf = tab.page.pdf(path=str(tmp_path / "page.pdf"))
    assert pdf.startswith(b"%PDF") and len(pdf) > 20_000
    tab.page.emulate_media(media="screen")


def test_a_failure_is_told_with_its_class_and_reason(tab: Tab) -> None:
    text = tab.page.text_content("#health")
    assert "1 oom" in text and "CUDA out of memory" in text and "node-2" in text


def test_hostile_names_do_nothing(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "hostile.db")) as store:
        sweep = kit.plan(store, name=kit.HOSTILE)
        kit.finish(store, sweep, 3, trained=False)
        kit.fail(store, sweep, kit.HOSTILE)
        page = render(content(store, title=kit.HOSTILE))
    (tmp_path / "hostile.html").write_text(page, encoding="utf-8")
    with chromium() as tab:
        dialogs: list[str] = []
        tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        tab.page.goto((tmp_path / "hostile.html").as_uri())
        tab.page.wait_for_selector(POINTS)
        assert tab.page.text_content("h1") == kit.HOSTILE
        assert kit.HOSTILE in tab.page.text_content("#health")
        assert not dialogs and not tab.trouble


def test_nothing_went_wrong_in_all_of_this(shown: Tab) -> None:
    assert not shown.trouble
    assert all(url.startswith(("file:", "data:", "blob:")) for url in shown.requests)
