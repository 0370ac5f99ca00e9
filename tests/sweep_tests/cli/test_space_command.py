from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from search_space.spaces import load_space
from sweep.cli.main import app


def sweep(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["space", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_ids_are_one_a_line_and_nothing_else() -> None:
    lines = sweep("list", "--space", "paper", "--format", "ids").splitlines()
    assert lines == [config.id for config in load_space("paper").configs]


def test_filters_narrow_the_list() -> None:
    out = sweep(
        "list", "--space", "paper", "--family", "eSR-TM", "--scale", "2", "--where", "C<=2 and K==3", "--format", "ids"
    )
    assert out.split() == ["eSR-TM_s2_K3_C1", "eSR-TM_s2_K3_C2"]


def test_json_gives_the_costs() -> None:
    (first,) = json.loads(sweep("list", "--space", "demo", "--limit", "1", "--format", "json"))
    assert first == {
        "config": "Bicubic_s2",
        "family": "Bicubic",
        "scale": 2,
        "values": {},
        "parameters": 121,
        "macs_full_hd": 121 * 960 * 540,
        "receptive_field": 6,
    }


def test_show_tells_what_a_config_costs() -> None:
    assert json.loads(sweep("show", "eSR-TM_s2_K5_C4", "--json"))["parameters"] == 800
    assert "414,720,000" in sweep("show", "eSR-TM_s2_K5_C4")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--space", "nowhere"],
        ["list", "--where", "import os"],
        ["list", "--scale", "5"],
        ["show", "eSR-TM_s2_K4_C4"],
        ["show", "../../etc/passwd"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    code = "import sys; from sweep.cli.main import main; sys.argv = ['sweep', 'space', *sys.argv[1:]]; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("sweep: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_listing_does_not_import_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from sweep.cli.main import app\n"
        "assert CliRunner().invoke(app, ['space', 'list', '--format', 'ids']).exit_code == 0\n"
        "print(sorted({'torch', 'ray', 'pandas', 'optuna', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
