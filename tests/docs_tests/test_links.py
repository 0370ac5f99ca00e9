"""Links of the pages that the site does not hold: README and its neighbours lead to files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs_tests.blocks import ROOT

PAGES = sorted(path.name for path in ROOT.glob("*.md"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def dangling(page: Path) -> list[str]:
    """Relative links of a page whose file is not there, or has no such heading."""
    out = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if re.match(r"[a-z]+:", link) or (name.startswith("zoo/") and not (ROOT / "zoo").is_dir()):
            # The zoo is in the repository, not in a release.
            continue
        if not target.exists() or (heading and heading not in headings(target)):
            out.append(link)
    return out


def headings(page: Path) -> set[str]:
    """Names by which the headings of a page are linked to."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    assert dangling(ROOT / page) == []


def test_readme_is_among_them_and_has_links() -> None:
    assert "README.md" in PAGES
    assert len(_LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))) > 20


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, or two\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-or-two) [c](https://example.org/x)\n"
        "![d](gone.png) [e](there.md#no-such-heading) [f](gone/)\n"
    )
    assert dangling(page) == ["gone.png", "there.md#no-such-heading", "gone/"]
