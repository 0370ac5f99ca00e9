"""The blocks of code in README and docs/, in order, and whether each says why it is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("**/*.md")))
MADE = ("docs/api.md",)
"""Made from docstrings, whose examples have tests of their own."""
_BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    page: str
    line: int
    kind: str
    """``bash``, ``python``, ``yaml``, ...; empty for drawings."""
    text: str
    reason: str
    """Why it is not run; empty when it is."""

    @property
    def lines(self) -> list[str]:
        """Commands, without comments and with continued lines joined."""
        joined = self.text.replace("\\\n", " ")
        bare = (re.sub(r"(^|\s)#( .*|$)", "", line).strip() for line in joined.splitlines())
        return [line for line in bare if line]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        line = text[: match.start()].count("\n") + 1
        yield Block(page, line, match["kind"], match["text"], (match["reason"] or "").strip())


def every(kind: str) -> list[Block]:
    """All blocks of a kind in all pages but those that are made."""
    return [block for page in PAGES if page not in MADE for block in blocks(page) if block.kind == kind]
