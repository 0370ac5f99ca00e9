"""The examples of the public functions run one after another, in an empty folder, as docs/api.md shows them."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import sweep
from sweep.api import document

ORDER = (
    "load_space",
    "run",
    "resume",
    "benchmark",
    "results",
    "frontier",
    "best",
    "plot",
    "export",
    "evaluate",
    "search",
)
"""``evaluate`` measures what was exported; ``search`` has a database of its own."""


@pytest.mark.slow
def test_the_example_of_every_function_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(ORDER) == set(document.ORDER)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    told: list[str] = []
    for name in (*ORDER, "Store"):
        (test,) = doctest.DocTestFinder(recurse=False).find(getattr(sweep, name), name)
        assert test.examples, f"sweep.{name} has no example"
        runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_every_argument_is_explained() -> None:
    for name in document.ORDER:
        function = getattr(sweep, name)
        _, sections = document.split(document.inspect.getdoc(function) or "")
        explained = [item for item, _ in document.items(sections["Args"])]
        assert explained == list(document.inspect.signature(function).parameters), name
        assert sections["Returns"] and sections["Raises"] and sections["Example"], name


def test_the_page_of_the_api_is_made_from_the_docstrings_as_they_are() -> None:
    assert document.PAGE.read_text(encoding="utf-8") == document.page(), "run python -m sweep.api.document"
