"""The pictures of the page in a real browser: what is shown is what torch gives, and every hand can use it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from analysis.reading import imaging
from analysis.reading.models import Models
from analysis.report.content import content
from analysis.report.page import render
from analysis.report.samples import Samples
from analysis.report.viewer.networks import Networks
from analysis.report.viewer.which import Which
from results_db.store import Store
from search_space import parse_id
from tests.analysis_tests.browser import Tab, chromium
from workers.export.glsl.webgl import PRELUDE, web_network

pytestmark = pytest.mark.xdist_group("browser")
MODEL = "eSR-TM_s3_K3_C4"
SHOWN = "(config) => viewer.shown?.config === config && !$('viewer-status').textContent.startsWith('Computing')"


@pytest.fixture(scope="module")
def page_file(sweep_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("viewer") / "report.html"
    networks = Networks(Which.FRONTIER, PRELUDE, web_network)
    path.write_text(render(content(sweep_store, samples=Samples(0), networks=networks)), encoding="utf-8")
    return path


def opened(tab: Tab, page_file: Path, config: str = MODEL) -> None:
    """The page scrolled to its pictures, with a model chosen."""
    tab.page.goto(page_file.as_uri())
    tab.page.locator("#viewer").scroll_into_view_if_needed()
    tab.page.select_option("#viewer-model", config)
    tab.until(SHOWN, arg=config)


@pytest.fixture(scope="module")
def shown(page_file: Path) -> Iterator[Tab]:
    with chromium() as tab:
        yield tab


@pytest.fixture
def tab(shown: Tab, page_file: Path) -> Tab:
    shown.page.goto("about:blank")
    opened(shown, page_file)
    return shown


def luma_of(tab: Tab, what: str) -> NDArray[np.float64]:
    plane = tab.page.evaluate(
        "(path) => { const p = path.split('.').reduce((o, k) => o[k], viewer.shown); "
        "return [p.width, p.height, Array.from(p.values)]; }",
        what,
    )
    return np.array(plane[2]).reshape(plane[1], plane[0])


def canvas(tab: Tab, name: str) -> NDArray[np.int64]:
    """The pixels of a canvas, (H, W, 3)."""
    address = tab.page.evaluate(f"document.getElementById('{name}').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB")).astype(np.int64)


def photograph(scale: int) -> imaging.TestImage:
    """The sample as Python prepares it."""
    _, pixels = imaging.read_rgb()
    left, top = imaging.SAMPLE_CROP[0] - 48, imaging.SAMPLE_CROP[1] - 48
    crop = pixels[top : top + 192, left : left + 192] @ (np.array([65.481, 128.553, 24.966]) / 255)
    return imaging.pair("sample", (16 + crop).astype(np.float32), scale)


def test_the_sample_is_shown_as_torch_enlarges_it_with_the_same_psnr(tab: Tab, sweep_store: Store) -> None:
    pair = photograph(3)
    small = 255 * np.abs(luma_of(tab, "small.luma") - pair.lr)
    # Sums that end at a half are rounded either way.
    assert small.max() < 1.01 and (small > 0.5).mean() < 1e-3
    for what, config in (("network", MODEL), ("bicubic", "Bicubic_s3")):
        want = imaging.upscale(Models(sweep_store).require(config), pair)
        assert np.abs(luma_of(tab, f"{what}.luma") - want).max() < 1
        assert abs(tab.page.evaluate(f"viewer.shown.{what}.psnr") - imaging.psnr(want, pair)) < 0.01
        told = re.search(r"· ([\d.]+) dB", tab.page.text_content(f"#viewer-loupe-{what} + figcaption"))
        assert told is not None and abs(float(told[1]) - imaging.psnr(want, pair)) < 0.011
    assert "WebGL 2" in tab.page.text_content("#viewer-status")


def dropped(tab: Tab, picture: bytes, name: str) -> None:
    tab.page.evaluate(
        """([data, name]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name));
        document.getElementById("viewer-stage").dispatchEvent(
          new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        [base64.b64encode(picture).decode(), name],
    )


def png(pixels: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_a_dropped_grey_picture_comes_out_within_a_level_of_torch(tab: Tab, sweep_store: Store, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:61, :83]
    grey = 128 + 100 * np.sin(columns / 7) * np.cos(rows / 5)
    file = tmp_path / "waves.png"
    file.write_bytes(png(grey))
    dropped(tab, file.read_bytes(), "waves.png")
    tab.until("() => $('viewer-status').textContent.startsWith('waves.png, 81 x 60')")
    pair = imaging.pair("waves", imaging.read_luma(file)[1], 3)
    want = imaging.upscale(Models(sweep_store).require(MODEL), pair)
    shown = canvas(tab, "viewer-right")
    assert shown.shape == (60, 81, 3) and np.ptp(shown, axis=2).max() == 0
    assert np.abs(shown[..., 0] - ((want - 16) * 255 / 219).clip(0, 255)).max() <= 1
    assert np.array_equal(canvas(tab, "viewer-left").shape, shown.shape)
    tab.page.select_option("#viewer-against", "original")
    assert np.array_equal(canvas(tab, "viewer-left")[..., 0], grey.astype(np.uint8)[:60, :81])


def noted(tab: Tab, text: str) -> None:
    tab.until("(text) => $('viewer-note').textContent === text", arg=text)


def test_a_file_can_be_chosen_and_what_is_no_picture_is_named(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no picture")
    tab.page.set_input_files("#viewer-file", tmp_path / "no.png")
    tab.until("() => $('viewer-note').textContent === 'no.png is no picture that this browser can read.'")
    (tmp_path / "tiny.png").write_bytes(png(np.zeros((9, 50))))
    tab.page.set_input_files("#viewer-file", tmp_path / "tiny.png")
    noted(tab, "tiny.png is too small for x3.")
    (tmp_path / "large.png").write_bytes(png(np.zeros((1100, 1700))))
    tab.page.evaluate("viewer.seen = false")
    tab.page.set_input_files("#viewer-file", tmp_path / "large.png")
    tab.until("() => viewer.cut === ' (the middle of 1700 x 1100)'")
    assert tab.page.evaluate("viewer.picture.width * viewer.picture.height") <= 1 << 20


def test_choosing_a_point_shows_its_model_and_one_without_weights_says_so(tab: Tab) -> None:
    inside = tab.page.evaluate("Object.keys(DATA.networks.models)")
    other = next(config for config in inside if not config.startswith("Bicubic") and config != MODEL)
    tab.page.evaluate("(config) => findModel(config)", other)
    tab.until(SHOWN, arg=other)
    assert tab.page.input_value("#viewer-model") == other
    missing = tab.page.evaluate("MODELS.map((m) => m.config).find((c) => !DATA.networks.models[c])")
    tab.page.evaluate("(config) => findModel(config)", missing)
    assert "--models all" in tab.page.text_content("#viewer-note")
    assert tab.page.input_value("#viewer-model") == other


def test_the_keyboard_moves_the_line_and_the_loupe_and_chooses_a_model(tab: Tab) -> None:
    tab.page.focus("#viewer-slider")
    tab.page.keyboard.press("End")
    assert tab.page.evaluate("getComputedStyle($('viewer-line')).left === `${$('viewer-stage').clientWidth}px`")
    tab.page.keyboard.press("Home")
    assert tab.page.evaluate("getComputedStyle($('viewer-line')).left") == "0px"
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.id") == "viewer-loupe"
    before = canvas(tab, "viewer-loupe-network")
    tab.page.keyboard.press("ArrowRight")
    assert not np.array_equal(canvas(tab, "viewer-loupe-network"), before)
    tab.page.focus("#viewer-model")
    tab.page.keyboard.press("Home")
    first = tab.page.locator("#viewer-model option").first.text_content()
    tab.until(SHOWN, arg=first)


def test_dragging_on_the_picture_moves_the_line(tab: Tab) -> None:
    box = tab.page.locator("#viewer-stage").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    tab.page.mouse.up()
    assert abs(float(tab.page.input_value("#viewer-slider")) - 25) <= 1


def test_without_webgl_plain_javascript_shows_the_same(tab: Tab, page_file: Path) -> None:
    by_gpu = luma_of(tab, "network.luma")
    with chromium("--disable-3d-apis") as plain:
        opened(plain, page_file)
        assert "plain JavaScript" in plain.page.text_content("#viewer-status")
        assert np.abs(luma_of(plain, "network.luma") - by_gpu).max() < 0.02
        assert not plain.trouble


def test_it_fits_a_phone(page_file: Path) -> None:
    with chromium(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as tab:
        opened(tab, page_file)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        for name in ("viewer-stage", "viewer-slider", "viewer-loupe-original", "viewer-loupe-network"):
            box = tab.page.locator(f"#{name}").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["width"] >= 90
        tab.page.touchscreen.tap(
            *(lambda b: (b["x"] + 10, b["y"] + 10))(tab.page.locator("#viewer-stage").bounding_box())
        )
        assert float(tab.page.input_value("#viewer-slider")) < 10


def test_a_page_without_networks_has_no_such_part(sweep_store: Store, tmp_path: Path) -> None:
    (tmp_path / "none.html").write_text(render(content(sweep_store, samples=Samples(0))), encoding="utf-8")
    with chromium() as tab:
        tab.page.goto((tmp_path / "none.html").as_uri())
        assert not tab.page.is_visible("#viewer") and tab.page.locator("a[href='#viewer']").count() == 0


def test_nothing_went_wrong_and_nothing_was_asked_of_the_network(shown: Tab) -> None:
    assert parse_id(MODEL).scale == 3 and not shown.trouble
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in shown.requests)
