"""The same thing has the same name in every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from sweep.cli import document
from sweep.cli.main import app
from sweep.settings_file import NOT_IN, VARIABLES

WHOLE: Any = typer.main.get_command(app)
"""The command line with all its commands; building it takes a moment."""


def commands(command: Any = None, name: str = "sweep") -> Iterator[tuple[str, Any]]:
    command = command or WHOLE
    below = getattr(command, "commands", {})
    if not below:
        yield name, command
    for word, one in below.items():
        yield from commands(one, f"{name} {word}")


ALL = dict(commands())
OPTIONS = [(name, tuple(parameter.opts)) for name, one in ALL.items() for parameter in one.params]
TOGETHER = (
    ("--out", "-o"),
    ("--space", "-s"),
    ("--weights", "-w"),
    ("--backend", "-b"),
    ("--precision", "-p"),
    ("--sweep", "--name"),
    ("--data", "-d"),
)
"""Where one is, the other is too."""
TEST_SETS = {"--set": ["table"], "--dataset": ["replay"], "--test": ["run", "search"]}
"""Older spellings of --test-set, and the commands that keep them."""
FOLDERS = ("sweep upscale", "sweep zoo export")
"""Commands whose --out is a folder."""


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_names_that_belong_together_are_together(first: str, second: str) -> None:
    has = [(name, opts) for name, opts in OPTIONS if first in opts or second in opts]
    assert has and [name for name, opts in has if first not in opts or second not in opts] == []


def test_a_protocol_says_whether_it_is_of_speed_or_of_quality() -> None:
    full = {"--speed-protocol": {"benchmark", "bundle", "cost"}, "--quality-protocol": {"evaluate", "plot"}}
    for spelt, commands_of in full.items():
        has = {name for name, opts in OPTIONS if "--protocol" in opts and spelt in opts}
        assert has == {f"sweep {name}" for name in commands_of}
    assert sum("--protocol" in opts for _, opts in OPTIONS) == 5
    assert not [name for name, one in ALL.items() if " --protocol " in (one.help or "")]


def test_test_sets_have_one_spelling_and_keep_the_older_ones() -> None:
    has = {name.split()[1]: opts for name, opts in OPTIONS if "--test-set" in opts}
    assert set(has) == {"run", "search", "table", "replay"}
    for older, names in TEST_SETS.items():
        assert [name for name, opts in OPTIONS if older in opts] == [f"sweep {name}" for name in names]
        assert all(older in has[name] for name in names)


def test_where_a_sample_is_drawn_its_seed_can_be_chosen() -> None:
    drawn = {name for name, opts in OPTIONS if "--sample" in opts}
    assert "sweep bundle" in drawn and drawn <= {name for name, opts in OPTIONS if "--seed" in opts}


def test_what_an_option_takes_is_called_the_same_everywhere() -> None:
    called: dict[str, set[str | None]] = {}
    for name, one in ALL.items():
        for parameter in one.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                called.setdefault(option, set()).add(parameter.metavar)
                if option == "--out":
                    assert parameter.metavar == ("DIR" if name in FOLDERS else "FILE"), name
    assert {option for option, metavars in called.items() if len(metavars) > 1} == {"--out", "-o"}
    assert called["--data-root"] == {"DIR"} and called["--weights"] == {"FILE"}
    assert " PATH`" not in document.page()


@pytest.mark.parametrize("setting", VARIABLES)
def test_help_names_the_environment_variable_wherever_one_counts(sweep: Any, setting: str) -> None:
    variable = VARIABLES[setting]
    for name, one in ALL.items():
        for parameter in one.params:
            if f"--{setting}" in parameter.opts:
                counts = name.split()[1] not in NOT_IN[setting]
                assert parameter.envvar == (variable if counts else None), name
    assert variable in sweep("run", "--help")[1]
    assert f"Environment variable: `{variable}`." in document.page()


def test_images_are_found_by_data_root_wherever_images_are_read_by_name() -> None:
    for name in ("run", "resume", "search", "evaluate", "data check", "data fetch"):
        assert any("--data-root" in opts for one, opts in OPTIONS if one == f"sweep {name}"), name


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_help_with_an_example_of_itself(sweep: Any, name: str) -> None:
    words = name.split()[1:]
    status, out, _ = sweep(*words, "-h")
    assert status == 0 and "Usage:" in out
    assert f"Example: {name}" in (ALL[name].help or "")


@pytest.mark.parametrize("name", ALL)
def test_help_cuts_no_option_name(sweep: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = sweep(*name.split()[1:], "--help")
    assert "…" not in out
    for parameter in ALL[name].params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert all(option in out for option in parameter.opts), f"{name}: {parameter.opts}"
