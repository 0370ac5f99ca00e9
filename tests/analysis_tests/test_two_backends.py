"""A device whose speeds were measured in two backends: each says which, and models are counted once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep as api
from analysis.charts.pareto import Panel, draw
from analysis.reading.results import gather
from analysis.reading.selection import Selection
from analysis.report.content import content
from analysis.report.page import render as render_page
from analysis.report.samples import Samples
from analysis.table import best_models, render
from results_db.store import Store
from search_space import parse_id
from search_space.metrics import cost, metric
from tests.analysis_tests import kit
from tests.analysis_tests.browser import chromium


@pytest.fixture(scope="module")
def db(sweep_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ESPCN runs twice as fast in ONNX Runtime as in PyTorch, all others half as fast."""
    path = tmp_path_factory.mktemp("two") / "sweep.db"
    shutil.copy(sweep_db, path)
    with Store.open(str(path)) as store:
        there = gather(store, Selection(device="board")).table
        eager = [kit.speed(parse_id(config), "board") for config in there["config"]]
        store.add_speeds(
            [replace(one, backend="onnxruntime", fps=one.fps * (2 if one.config.startswith("ESPCN") else 0.5))
             for one in eager]
        )  # fmt: skip
    return path


def test_the_choice_says_which_backend_and_counts_models_once(db: Path, sweep_db: Path, sweep) -> None:
    _, out, _ = sweep("best", "--db", db, "--scale", 2, "--device", "board")
    heading, *rows = [line for line in out.splitlines() if ("│" in line and "_s2_" in line) or "┃" in line]
    assert "timed with" in heading
    assert rows
    for row in rows:
        assert ("onnxruntime" if "ESPCN" in row else "eager") in row
    asked = ("best", "--scale", 2, "--device", "board", "--json", "--db")
    both, one = (json.loads(sweep(*asked, where)[1]) for where in (db, sweep_db))
    assert both["considered"] == one["considered"]
    _, out, _ = sweep("best", "--db", sweep_db, "--scale", 2, "--device", "board")
    assert "timed with" not in out, "where there is one way of measuring"


def test_the_table_says_which_backend(db: Path, sweep_db: Path) -> None:
    with Store.open(str(db), readonly=True) as store:
        results = gather(store, Selection(device="board"))
        text = render(best_models(results, results.metric(None)), "md")
    assert "timed with" in text.splitlines()[0]
    assert all(("onnxruntime" if "| ESPCN " in line else "eager") in line for line in text.splitlines()[2:])
    with Store.open(str(sweep_db), readonly=True) as store:
        results = gather(store, Selection(device="board"))
        assert "timed with" not in render(best_models(results, results.metric(None)), "md")


def test_the_chart_counts_networks_and_rings_the_faster_point_of_the_best(db: Path) -> None:
    figure = api.plot("pareto", db, device="board")
    assert "56 points of 28 of 30 networks" in " ".join(text.get_text() for text in figure.texts)
    twice = Panel("x2", ("ESPCN_s2_D8_S6",) * 2, ("ESPCN",) * 2, np.array([30.0, 60.0]), np.array([34.0, 34.0]), 1)
    figure, _ = draw([[twice]], cost("fps"), metric("psnr:Set5"), "title")
    (axes,) = figure.axes
    (ring,) = [line for line in axes.lines if line.get_fillstyle() == "none"]
    pixels = ring.get_transform().transform(ring.get_xydata())
    assert axes.transData.inverted().transform(pixels)[0][0] == pytest.approx(60.0)


@pytest.mark.xdist_group("browser")
def test_the_pages_details_are_of_the_backend_that_is_shown_and_the_fastest_of_all(db: Path, tmp_path: Path) -> None:
    with Store.open(str(db), readonly=True) as store:
        (tmp_path / "page.html").write_text(render_page(content(store, samples=Samples(0))), encoding="utf-8")
    with chromium() as tab:
        tab.page.goto((tmp_path / "page.html").as_uri())
        tab.page.wait_for_selector("#chart .scatterlayer path.point")
        tab.page.select_option("#device", "board")
        espcn = tab.page.evaluate("MODELS.find((m) => m.family === 'ESPCN' && m.scale === 2).at")
        for backend, shown in (("", "onnxruntime"), ("eager fp32", "eager"), ("onnxruntime fp32", "onnxruntime")):
            tab.page.select_option("#backend", backend)
            tab.page.evaluate("(at) => select(at)", espcn)
            assert f"Deviceboard, {shown} fp32" in tab.page.text_content("#detail-body")
        tab.page.select_option("#backend", "")
        assert "fp32)" in tab.page.locator("#pick .pick").first.text_content()
        best = tab.page.locator("#best-table tbody tr", has_text="best").all_text_contents()
        assert all(("onnxruntime" if row.startswith("ESPCN") else "eager") in row for row in best)
