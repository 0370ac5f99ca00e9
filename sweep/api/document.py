"""``python -m sweep.api.document``: write docs/api.md from the docstrings of the public names."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sweep
from sweep.api.version import UNKNOWN

PAGE = Path(sweep.__file__).parents[1] / "docs" / "api.md"
ORDER = (
    "load_space",
    "run",
    "resume",
    "search",
    "benchmark",
    "evaluate",
    "results",
    "frontier",
    "best",
    "plot",
    "export",
)
"""Functions in the order of work."""
SECTIONS = ("Args", "Returns", "Raises", "Example")
HEAD = """\
# The Python API

<!-- Made from the docstrings by `python -m sweep.api.document`; a test holds it up to date. -->

```python
import sweep

sweep.run("demo", "sweep.db", recipe="demo")  # a Report: what was trained
sweep.results("sweep.db")  # a pandas frame
sweep.plot("pareto", "sweep.db")  # a matplotlib Figure
sweep.best("sweep.db", scale=2, min_fps=30).pick  # the id of the model to ship
```

The commands are a shell over these functions, with the same names and defaults. Each name is loaded on first use:
`import sweep` takes milliseconds and needs neither torch nor pandas. Functions return facts and show no progress unless
`quiet=False`. Whatever goes wrong is a `search_space.errors.SweepError` whose message says what to do. A database is
given as a path, as an address (`sqlite:///FILE`, `postgresql+psycopg://USER@HOST/NAME`) or as an open `sweep.Store`.
The examples are run by the tests, one after another in an empty folder.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD, *(_function(name) for name in ORDER), _store(), _version()]
    return "\n".join(parts)


def _function(name: str) -> str:
    function = getattr(sweep, name)
    summary, sections = split(inspect.getdoc(function) or "")
    lines = [f"## sweep.{name}", "", "```python", *_signature(name, function), "```", "", _prose(summary), ""]
    for title in SECTIONS:
        if title not in sections:
            continue
        body = sections[title]
        if title == "Example":
            lines += ["```pycon", *_imports(name, body), body, "```", ""]
        elif title == "Returns":
            lines += [f"**Returns** {_flat(body)}", ""]
        else:
            heading = "Arguments" if title == "Args" else title
            lines += [f"**{heading}**", "", *(f"- `{item}`: {told}" for item, told in items(body)), ""]
    return "\n".join(lines)


def _store() -> str:
    summary, sections = split(inspect.getdoc(sweep.Store) or "")
    opening = inspect.getdoc(sweep.Store.open) or ""
    lines = [
        "## sweep.Store",
        "",
        _prose(summary),
        "",
        "```python",
        *_signature("Store.open", sweep.Store.open),
        "```",
        "",
    ]
    return "\n".join(
        [
            *lines,
            _prose(opening),
            "",
            "```pycon",
            *_imports("Store", sections["Example"]),
            sections["Example"],
            "```",
            "",
        ]
    )


def _imports(name: str, example: str) -> list[str]:
    """What an example from below ``sweep`` needs on this page."""
    return [] if "import sweep" in example else [f">>> from sweep import {name}"]


def _version() -> str:
    told = f"as `sweep --version` prints it; `{UNKNOWN}` in a checkout that is not installed."
    return f"## sweep.\\_\\_version\\_\\_\n\nThe installed version, {told}\n"


def split(doc: str) -> tuple[str, dict[str, str]]:
    """A docstring's text, and its sections without their indent.

    >>> split("Do it.\\n\\nArgs:\\n    x: Metres.\\n\\nReturns:\\n    Seconds.")
    ('Do it.', {'Args': 'x: Metres.', 'Returns': 'Seconds.'})
    """
    pieces = re.split(rf"^({'|'.join(SECTIONS)}):\n", doc, flags=re.MULTILINE)
    named = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return pieces[0].strip(), {title: textwrap.dedent(body).strip() for title, body in named.items()}


def items(body: str) -> Iterator[tuple[str, str]]:
    """The ``name: text`` entries of a section; lines that go on are indented.

    >>> list(items("x: Metres,\\n    at most 5.\\ny: Seconds."))
    [('x', 'Metres, at most 5.'), ('y', 'Seconds.')]
    """
    for entry in re.split(r"\n(?=\S)", body):
        name, _, told = entry.partition(": ")
        yield name, _flat(told)


def _prose(text: str) -> str:
    return text.replace("``", "`")


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", _prose(text)).strip()


def _signature(name: str, function: Any) -> list[str]:
    signature = inspect.signature(function)
    lines, keyword_only = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            lines.append("    *,")
        lines.append(f"    {_parameter(parameter)},")
    return [f"sweep.{name}(", *lines, f") -> {signature.return_annotation}"]


def _parameter(parameter: inspect.Parameter) -> str:
    typed = f"{parameter.name}: {parameter.annotation}"
    if parameter.default is parameter.empty:
        return typed
    return f"{typed} = {'...' if callable(parameter.default) else repr(parameter.default)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
