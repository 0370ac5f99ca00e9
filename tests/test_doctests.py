"""The examples in docstrings are true: each module that has any is run by the standard library's doctest."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from search_space.errors import MissingExtra

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_space", "workers", "results_db", "sweep", "analysis")
EXTRAS = {"onnx", "onnxscript", "onnxruntime", "openvino", "ncnn", "pnnx", "psycopg", "torchvision", "av"}
"""Modules of optional dependencies: an example that needs one is not run where it is not installed."""


def with_examples() -> list[str]:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = [path.relative_to(ROOT).with_suffix("") for path in files if ">>> " in path.read_text(encoding="utf-8")]
    return [".".join(path.parts).removesuffix(".__init__") for path in found]


IN_A_FOLDER = ("sweep.api.choosing", "sweep.api.measuring", "sweep.api.reading", "sweep.api.searching")
IN_A_FOLDER += ("sweep.api.shipping", "sweep.api.training")
"""Their examples work on a database in the current folder: tests/sweep_tests/api/test_examples.py runs them."""
MODULES = [name for name in with_examples() if name not in IN_A_FOLDER]


def test_there_are_examples_in_every_package() -> None:
    assert {name.split(".")[0] for name in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in EXTRAS:
            raise
        pytest.skip(f"{name} needs {error.name}")
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    told: list[str] = []
    examples = 0
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        examples += len(test.examples)
        try:
            runner.run(test, out=told.append)
        except MissingExtra as error:
            pytest.skip(str(error))
    assert examples, f"{name} has '>>>' in a place where doctest does not look"
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
