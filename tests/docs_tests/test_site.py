"""The documentation as a site: built without a warning, with links that lead somewhere, and searched from disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.cli import document
from sweep.cli.main import COMMANDS
from tests.analysis_tests.browser import chromium
from tests.docs_tests.blocks import ROOT


def test_the_page_of_the_command_line_has_every_command_with_its_options() -> None:
    page = document.page()
    for name in COMMANDS:
        assert f"## sweep {name.replace('_', '-')}" in page
    assert "| `--max-attempts INT` | `3` | Attempts at a trial before it stays failed. |" in page
    assert "sweep logs ID [OPTIONS]" in page and "Sentinel" not in page


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("material", reason="needs the extra docs")
    asked = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(asked, cwd=root, env=quiet, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


def test_each_decision_has_a_page_and_none_asks_the_network_for_anything(site: Path) -> None:
    assert (site / "cli.html").is_file()
    for decision in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        assert (site / "decisions" / f"{decision.stem}.html").is_file()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text and '<link rel="stylesheet" href="http' not in text, page


@pytest.mark.xdist_group("browser")
def test_the_search_answers_from_disk(site: Path) -> None:
    with chromium() as tab:
        tab.page.goto((site / "tutorial" / "first-sweep.html").as_uri())
        tab.until("document.querySelector('.md-search__form') !== null")
        tab.page.keyboard.press("/")
        tab.page.keyboard.type("checkpoint")
        tab.page.locator(".md-search-result__item").first.wait_for()
        assert "matching documents" in tab.page.inner_text(".md-search-result__meta")
        assert not tab.trouble
        assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in tab.requests)


@pytest.mark.slow
def test_links_that_lead_nowhere_fail_the_build_by_name(tmp_path: Path) -> None:
    for name in ("docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("*.json*"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    page = tmp_path / "docs" / "data.md"
    whole = page.read_text()
    page.write_text(f"{whole}\n[a page](gone.md) and [a heading](#no-such-heading)\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0 and "gone.md" in done.stderr and "no-such-heading" in done.stderr
    page.write_text(f"{whole}\n[a file](../benchmarks/gone.py)\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0 and "benchmarks/gone.py is not there" in done.stderr
