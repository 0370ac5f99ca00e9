"""What the page shows can be sent as a link, and it always has something to say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

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


def wait_until(tab: Tab, expression: str) -> None:
    """Ask again and again; the page's policy forbids the evaluation that Playwright's own waiting needs."""
    for _ in range(200):
        if tab.page.evaluate(expression):
            return
        tab.page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


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


def test_a_link_keeps_the_zoom_the_order_and_the_filter_of_the_table(tab: Tab) -> None:
    tab.page.evaluate("Plotly.relayout('chart', {'yaxis2.range': [30, 31]})")
    tab.page.locator("#models-table th:has-text('Parameters') button").click()
    tab.page.fill("#filter", "eSR")
    first = tab.page.locator("#models-table tbody tr td").first.text_content()
    with chromium() as other:
        other.page.goto(tab.page.evaluate("location.href"))
        other.page.wait_for_selector(POINTS)
        assert other.page.evaluate("document.getElementById('chart')._fullLayout.yaxis2.range") == [30, 31]
        assert other.page.evaluate("document.getElementById('chart')._fullLayout.yaxis.autorange") is True
        assert other.page.locator("#models-table tbody tr td").first.text_content() == first
        assert other.page.input_value("#filter") == "eSR" and not other.trouble


def test_a_zoom_stays_when_a_model_is_chosen_and_goes_with_its_axes(tab: Tab) -> None:
    ends = "document.getElementById('chart')._fullLayout.yaxis.range"
    tab.page.evaluate("Plotly.relayout('chart', {'yaxis.range': [33, 34]})")
    tab.page.locator("#models-table tbody button").first.click()
    assert tab.page.evaluate(ends) == [33, 34]
    tab.page.select_option("#dataset", "Set14")
    wait_until(tab, f"{ends}[0] !== 33")
    assert "zoom" not in tab.page.evaluate("location.hash")


def test_the_pick_is_chosen_at_the_start(tab: Tab) -> None:
    assert tab.page.text_content("#detail-title") == tab.page.locator("#pick .pick").first.get_attribute("data-config")


def test_the_details_follow_the_pick_and_are_never_empty(tab: Tab) -> None:
    first = tab.page.text_content("#detail-title")
    tab.page.locator("#fps").fill("60")
    assert (
        first
        != tab.page.text_content("#detail-title")
        == tab.page.locator("#pick .pick").first.get_attribute("data-config")
    )
    for scale in ("2", "3", "4"):
        tab.page.uncheck(f"#scales input[value='{scale}']")
    assert tab.page.text_content("#detail-title") == "Model"
    assert "choose a scale" in tab.page.text_content("#detail-body")
    tab.page.check("#scales input[value='3']")
    assert "_s3" in tab.page.text_content("#detail-title")


def test_arrow_keys_walk_along_the_frontier(tab: Tab) -> None:
    order = tab.page.evaluate(
        "panels().flatMap((p) => [...p.members].sort((a, b) => a.x - b.x).map((r) => r.model.config))"
    )
    tab.page.locator("#chart").focus()
    walked = []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End"):
        tab.page.keyboard.press(key)
        walked.append(tab.page.text_content("#detail-title"))
    assert walked == [order[place] for place in (0, 1, 2, 1, -1)]
    assert tab.page.evaluate("document.activeElement.id") == "chart"
    told = tab.page.text_content("#walk")
    assert told.startswith(f"{order[-1]}: Speed") and f"{len(order)} of {len(order)} on the frontier" in told


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
    tab.page.select_option("#x", "power")
    tab.page.select_option("#device", "laptop")
    assert tab.page.input_value("#x") == "fps"
    assert "power" not in tab.page.locator("#x option").evaluate_all("options => options.map(o => o.value)")
    tab.page.goto(tab.page.evaluate("location.href.split('#')[0]") + "#x=memory&device=nowhere&scales=9")
    tab.page.reload()
    tab.page.wait_for_selector("#chart .plot-container")
    assert tab.page.input_value("#x") != "memory"


def test_numbers_stand_under_their_headings(tab: Tab) -> None:
    tab.page.locator("#models-table th:has-text('frames/s') button").click()
    edges = tab.page.evaluate(
        """() => [...document.querySelectorAll("#models-table, #best-table")].flatMap((table) => {
          const right = (cell) => { const r = document.createRange(); r.selectNodeContents(cell); return r.getBoundingClientRect().right; };
          const heads = [...table.tHead.rows[0].cells], cells = [...table.tBodies[0].rows[0].cells];
          return heads.map((head, i) => [head, cells[i]]).filter(([head, cell]) => head.className === "n" && cell.textContent)
            .map(([head, cell]) => [head.textContent, right(head), right(cell)]);
        })"""  # noqa: E501
    )
    assert len(edges) > 8
    for name, head, cell in edges:
        assert abs(head - cell) < 1, name


def test_families_stay_apart_on_a_dark_page(tab: Tab) -> None:
    tab.page.emulate_media(color_scheme="dark")
    colours = tab.page.evaluate(
        "Object.values(DATA.families).map((look) => [ink(look.colour), contrast(ink(look.colour), css('--paper'))])"
    )
    assert all(contrast >= 3 for _, contrast in colours)
    for one, other in combinations([lab(colour) for colour, _ in colours], 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 20


def lab(colour: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of ``#rrggbb``: distances in it are distances to the eye."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_the_health_bar_has_a_track_as_long_as_the_plan(tab: Tab) -> None:
    bar, filled, track = tab.page.evaluate(
        """() => { const bar = document.querySelector("#health .bar"), style = getComputedStyle(bar);
        return [bar.getBoundingClientRect().width,
          [...bar.children].reduce((sum, part) => sum + part.getBoundingClientRect().width, 0), style.boxShadow]; }"""
    )
    assert filled / bar == pytest.approx(29 / 30, abs=0.01)
    assert "inset" in track


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    wait_until(tab, "document.getElementById('chart')._fullLayout.width <= innerWidth")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_command_is_broken_between_its_words_only(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 360, "height": 900})
    broken = tab.page.evaluate(
        """() => [...document.querySelectorAll("#pick code")].flatMap((code) => [...code.children])
        .filter((word) => word.getClientRects().length > 1).map((word) => word.textContent)"""
    )
    assert broken == [] and "--format onnx" in tab.page.locator("#pick code").first.text_content()


def test_print_shows_the_results_and_none_of_the_controls(tab: Tab) -> None:
    tab.page.emulate_media(media="print")
    for shown in ("#chart", "#pick", "#best-table", "#health", "#about"):
        assert tab.page.is_visible(shown), shown
    for hidden in ("#controls", "#models", "#theme", "#chart-keys", "#fps", "#viewer"):
        assert not tab.page.is_visible(hidden), hidden
    # A4 across less its margins, at 96 dots per inch.
    tab.page.set_viewport_size({"width": 1032, "height": 703})
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for part in ("#chart .main-svg", "#best-table", "#health-body", "main"):
        assert tab.page.evaluate(f"document.querySelector('{part}').scrollWidth") <= 1032, part
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    wait_until(tab, "!document.getElementById('chart').layout.width")
