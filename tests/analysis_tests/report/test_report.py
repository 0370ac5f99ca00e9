from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from analysis.reading.selection import Selection
from analysis.report.content import content
from analysis.report.page import render
from analysis.report.samples import Samples
from results_db.store import Store
from search_space.errors import SweepError
from tests.analysis_tests import kit


def test_the_page_holds_every_result_and_the_sweeps_health(sweep_store: Store) -> None:
    found = content(sweep_store)
    assert len(found.models["config"]) == 28 and len(found.points["fps"]) == 56
    assert found.sources[0]["planned"] == {"2": 10, "3": 10, "4": 10}
    assert found.health["counts"] == {"planned": 30, "done": 28, "failed": 1, "running": 0, "pending": 1}
    (failure,) = found.health["failures"]
    assert (failure["class"], failure["error"], failure["node"]) == ("oom", "CUDA out of memory", "node-2")
    assert {node["node"] for node in found.health["nodes"]} == {"node-1", "node-2"}
    assert found.sweeps[0]["recipe"] == {"steps": 100} and found.sweeps[0]["git"] == "abc1234"


def test_models_have_a_sample_crop_and_their_number_is_limited(sweep_store: Store) -> None:
    found = content(sweep_store, samples=Samples(5)).samples
    assert len(found["models"]) == 5
    assert all(one["png"].startswith("data:image/png;base64,") for one in found["models"].values())
    assert content(sweep_store, samples=Samples(0)).samples == {}


def test_the_page_asks_nothing_of_the_network(sweep_store: Store) -> None:
    page = render(content(sweep_store, samples=Samples(0)))
    head = page.split('<script type="application/json"')[0]
    assert "default-src 'none'" in head and "connect-src 'none'" in head
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?https?:""", page)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "hostile.db")) as store:
        sweep = kit.plan(store, name=kit.HOSTILE)
        kit.finish(store, sweep, 3, trained=False)
        kit.fail(store, sweep, kit.HOSTILE)
        page = render(content(store, title=kit.HOSTILE))
    assert "<script>alert" not in page and "<img src=x" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None and json.loads(data[1])["health"]["failures"][0]["error"] == kit.HOSTILE


def test_a_sweep_without_a_result_yet_still_has_a_page(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "new.db")) as store:
        kit.plan(store)
        found = content(store)
    assert found.models["config"] == [] and found.health["counts"]["pending"] == 30
    assert "application/json" in render(found)


def test_a_choice_that_no_source_has_is_refused(sweep_store: Store) -> None:
    with pytest.raises(SweepError, match="there is board, laptop"):
        content(sweep_store, Selection(device="toaster"))


def test_numbers_are_short_and_never_nan(sweep_store: Store) -> None:
    text = content(sweep_store, samples=Samples(0)).to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the page"))
    assert not re.search(r"\d\.\d{9}", text)
