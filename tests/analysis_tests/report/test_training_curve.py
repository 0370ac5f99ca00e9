"""The loss curve of a model and what the sweep cost, on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.content import content
from analysis.report.page import render
from analysis.report.training import MOST_POINTS, thin
from results_db.store import Store
from search_space.facts import Done, TrialKey
from tests.analysis_tests import kit
from tests.analysis_tests.browser import chromium

CURVE = tuple((10 * step, 1 / (1 + step)) for step in range(101))


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "s.db") as made:
        sweep_id = made.create_sweep("night", "paper", "{}")
        made.plan(sweep_id, [TrialKey("eSR-MAX_s2_K3_C1", 0, "r", "d", "c")])
        claim = made.claim([made.missing(sweep_id)[0].id], "me", 60)[0]
        config = kit.parse_id(claim.key.config)
        made.record([Done(claim.trial, 1, kit.qualities(config), (), 2.5, 1000, "node", curve=CURVE)])
        made.add_speeds([kit.speed(config, "board")])
        yield made


def test_a_long_curve_is_thinned_to_means_and_keeps_its_end():
    short = thin(CURVE)
    assert len(short) <= MOST_POINTS and short[-1][0] == 1000
    assert [loss for _, loss in short] == sorted((loss for _, loss in short), reverse=True)
    assert thin(()) == () and thin(CURVE[:3]) == CURVE[:3]


def test_the_content_has_the_curve_and_the_costs(store):
    training = content(store).training
    ((trial, curve),) = training["curves"].items()
    assert trial == str(store.trials()[0].id) and curve[-1][0] == 1000
    assert training["costs"]["attempts"] == 1 and training["costs"]["core_hours"] >= 0


@pytest.mark.xdist_group("browser")
def test_the_page_draws_the_curve_of_the_model_that_is_shown(store, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render(content(store)), encoding="utf-8")
    with chromium() as tab:
        tab.page.goto(page.as_uri())
        drawing = tab.page.locator("#detail-body figure.curve svg")
        drawing.wait_for()
        assert drawing.get_attribute("aria-label").startswith("Training loss from ")
        points = drawing.locator("polyline").get_attribute("points").split()
        heights = [float(point.split(",")[1]) for point in points]
        assert len(points) > 20 and heights == sorted(heights), "a falling loss goes down on the page"
        assert "core-hours in 1 attempts" in tab.page.text_content("#health-body")
        assert not tab.trouble
