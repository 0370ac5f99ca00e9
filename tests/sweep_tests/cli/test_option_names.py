"""The same thing has the same name in every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from sweep.cli.main import app

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
)
"""Where the first is, the second is too."""


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_names_that_belong_together_are_together(first: str, second: str) -> None:
    has = [(name, opts) for name, opts in OPTIONS if first in opts]
    assert has and [name for name, opts in has if second not in opts] == []


def test_the_protocol_of_speeds_is_speed_protocol_everywhere() -> None:
    has = [(name, opts) for name, opts in OPTIONS if "--protocol" in opts and "--speed-protocol" not in opts]
    assert has == [("sweep evaluate", ("--protocol",)), ("sweep plot", ("--protocol",))]
    for name, _ in has:
        of_quality = next(p for p in ALL[name].params if p.opts == ["--protocol"])
        assert "uality" in of_quality.help


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
