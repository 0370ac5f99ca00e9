"""MkDocs hooks of `make docs`: made pages, links to files outside docs/, search without a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

from sweep.cli import document

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = "decisions/README.md"
WORKER = "assets/file_worker.js"
SHIM = "https://unpkg.com/iframe-worker/shim"
"""What Material's offline plugin asks the network for on each page."""
_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)\s#]*|[^)\s#:]*\.ipynb)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """The command line's page is made from its commands, the list of decisions from their headings."""
    names = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = {name.name: name.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for name in names}
    text = "# Decisions\n\nHalf a page each: the question, the choice, what was measured, what would change our mind.\n"
    text += "\n" + "".join(f"- [{title}]({name})\n" for name, title in titles.items())
    files.append(File.generated(config, DECISIONS, content=text))
    files.append(File.generated(config, "cli.md", content=document.page()))
    files.append(File.generated(config, WORKER, content=(ROOT / "scripts" / "file_worker.js").read_text("utf-8")))
    for entry in config.nav:
        if "Decisions" in entry:
            entry["Decisions"] = [DECISIONS, *(f"decisions/{name}" for name in titles)]
        if "How to" in entry:
            # A page that the navigation does not name yet is not lost.
            named = str(config.nav)
            pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
            entry["How to"] += [name for name in pages if name not in named]
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A link that leaves docs/ becomes the file's name: a site has no sources. Fails for a file that is not there."""

    def plain(match: re.Match[str]) -> str:
        target = (ROOT / "docs" / page.file.src_uri).parent / match[2]
        if not target.exists():
            raise PluginError(f"{page.file.src_uri}: {match[2]} is not there")
        inside = target.resolve().is_relative_to(ROOT / "docs") and target.suffix != ".ipynb"
        return match[0] if inside else f"{match[1]} (`{target.resolve().relative_to(ROOT)}`)"

    return _LINK.sub(plain, markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Search takes our own file in the place of the one from the network."""
    return output.replace(SHIM, get_relative_url(WORKER, page.url))


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """The same on the page for what is not found."""
    return output.replace(SHIM, WORKER)
