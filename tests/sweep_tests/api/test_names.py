"""What ``import sweep`` gives: a listed, lazy, typed surface."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import sweep
from sweep.api.version import UNKNOWN, installed_version

NAMES = [
    "Store",
    "__version__",
    "benchmark",
    "best",
    "evaluate",
    "export",
    "frontier",
    "load_space",
    "plot",
    "results",
    "resume",
    "run",
    "search",
]
HEAVY = ("torch", "pandas", "numpy", "ray", "matplotlib", "sqlalchemy", "optuna", "rich", "typer")


def in_child(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(sweep.__all__) == NAMES
    assert dir(sweep) == NAMES


def test_every_public_name_is_there_and_says_what_it_does() -> None:
    for name in sweep.__all__:
        value = getattr(sweep, name)
        assert isinstance(value, str) if name == "__version__" else inspect.getdoc(value)


def test_importing_loads_nothing_heavy() -> None:
    code = f"import json, sys, sweep; dir(sweep); print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    assert json.loads(in_child(code)) == []


def test_search_stays_the_function_when_its_folder_is_imported() -> None:
    code = "import sweep, sweep.search.loop; from sweep.search import studies; print(sweep.search.__module__)"
    assert in_child(code).strip() == "sweep.api.searching"


def test_a_name_that_is_not_there_is_an_attribute_error_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian' \(it has Store, .*run, search\)"):
        sweep.trian  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    assert sweep.__version__ == version("edge-sweep")
    assert installed_version("no-such-distribution") == UNKNOWN


def test_at_most_two_arguments_go_by_position() -> None:
    for name in set(NAMES) - {"Store", "__version__"}:
        kinds = [parameter.kind for parameter in inspect.signature(getattr(sweep, name)).parameters.values()]
        assert sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds) <= 2, name


@pytest.mark.parametrize("package", ["search_space", "workers", "results_db", "sweep", "analysis"])
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (Path(sweep.__file__).parents[1] / package / "py.typed").is_file()
