from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from results_db.store import Store
from tests.analysis_tests import kit
from tests.analysis_tests.browser import chromium

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A sweep with three results, and the dashboard that shows it."""
    path = tmp_path / "sweep.db"
    with Store.open(str(path)) as store:
        kit.finish(store, kit.plan(store), 3, trained=False)
    command = [sys.executable, "-c", "from sweep.cli.main import main; main()", "dashboard"]
    command += ["--db", str(path), "--port", "0", "--interval", "0.3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert address is not None
        wait_for(address[0])
        yield path, address[0]
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def wait_for(address: str) -> None:
    """Until the server answers; it listens before it is ready, so one patient request is enough."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        assert answer.status == 200


def test_the_page_follows_a_running_sweep_without_reloading(running: tuple[Path, str]) -> None:
    path, address = running
    with chromium() as tab:
        tab.page.goto(address)
        tab.page.wait_for_selector("#chart .scatterlayer path.point")
        tab.page.evaluate("window.same = true")
        tab.page.get_by_label("x4", exact=True).uncheck()
        assert "3 of 30 trials done" in tab.page.text_content("#summary")
        with Store.open(str(path)) as store:
            kit.finish(store, store.sweep_id("demo"), 4, trained=False)
        tab.page.wait_for_selector("#summary:has-text('7 of 30')")
        assert tab.page.evaluate("window.same") is True
        assert not tab.page.get_by_label("x4", exact=True).is_checked()
        assert "Live" in tab.page.text_content("#live")
        assert all(url.startswith((address, "data:", "blob:")) for url in tab.requests) and not tab.trouble


def test_only_this_machine_is_answered_and_nothing_can_be_written(running: tuple[Path, str]) -> None:
    _, address = running
    for request in (
        urllib.request.Request(address, headers={"Host": "evil.example"}),
        urllib.request.Request(f"{address}data.json", method="POST", data=b"{}"),
        urllib.request.Request(f"{address}../sweep.db"),
    ):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=30)
