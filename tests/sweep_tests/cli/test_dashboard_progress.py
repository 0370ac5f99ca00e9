"""The dashboard counts training steps and names the workers, as ``sweep status`` does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.report.content import content
from analysis.report.page import render
from results_db.store import Store
from search_space.facts import Checkpoint
from sweep.cli.dashboard import progress
from tests.analysis_tests.browser import chromium
from tests.sweep_tests.kit import RECIPE, planned

pytestmark = pytest.mark.xdist_group("browser")


def test_steps_and_workers_are_on_the_page(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as store:
        first, *_ = [row.id for row in store.trials(planned(store, recipe=RECIPE.with_changes(steps=100)))]
        store.claim([first], "me:1:2", 60, {first: {"host": "node-1", "device": "cuda", "worker": 3}})
        store.save_checkpoints([Checkpoint(first, 1, 50, b"x")])
        told = progress(store, None)
        assert told["steps"].startswith("50 of 600 training steps (")
        assert told["workers"] == [["me:1:2", "node-1", "cuda", 3, "eSR-MAX_s2_K3_C1, step 50"]]
        page = content(store)
        (tmp_path / "p.html").write_text(render(replace(page, health=page.health | told)), encoding="utf-8")
        assert progress(store, "tiny") == told
    with chromium() as tab:
        tab.page.goto((tmp_path / "p.html").as_uri())
        assert "0 of 6 trials done, 50 of 600 training steps" in tab.page.text_content("#summary")
        assert "node-1" in tab.page.text_content("#health-body") and not tab.trouble


def test_a_store_of_other_peoples_results_has_no_steps(tmp_path):
    with Store.open(str(tmp_path / "s.db")) as store:
        assert progress(store, None) == {}
