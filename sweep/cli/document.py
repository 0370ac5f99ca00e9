"""The page of the command line in the documentation, from the commands' own help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import typer.main

from sweep.cli.main import command_line

HEAD = """\
# The command line

Every command has `--help`. Exit status: 0 done as asked, 1 finished with failed trials, 2 refused with one line on
stderr, 130 after Ctrl-C. Results go to stdout, progress and notes to stderr. Common options can stand in
`edge-sweep.toml` or in environment variables ([recipes.md](recipes.md)).
"""


def page() -> str:
    """The whole page as Markdown."""
    root = typer.main.get_command(command_line(["--version"]))
    return "\n".join([HEAD, *_sections(root, "sweep")]) + "\n"


def _sections(command: Any, name: str) -> Iterator[str]:
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        yield _section(command, name)
    for word, each in below.items():
        yield from _sections(each, f"{name} {word}")


def _section(command: Any, name: str) -> str:
    text, examples = _parts(inspect.cleandoc(command.help or ""))
    # An option that is hidden is not documented, nor is --help, which all have.
    shown = [one for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    arguments = " ".join(_usage(one) for one in shown if one.param_type_name == "argument")
    parts = [f"## {name}\n", text, "", "```text", f"{name} {arguments}".rstrip() + " [OPTIONS]", "```", ""]
    if examples:
        parts += ["```text", *examples, "```", ""]
    if shown:
        parts += ["| option | default | what |", "| --- | --- | --- |", *(_row(one) for one in shown), ""]
    return "\n".join(parts)


def _parts(text: str) -> tuple[str, list[str]]:
    """The prose and the lines after ``Example:``."""
    lines = text.splitlines()
    examples = [line.removeprefix("Example: ") for line in lines if line.startswith("Example: ")]
    prose = "\n".join(line for line in lines if not line.startswith("Example: ")).strip()
    while "\n\n\n" in prose:
        prose = prose.replace("\n\n\n", "\n\n")
    return prose.replace("``", "`"), examples


def _usage(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_usage(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or _kind(parameter)}"
        names = ", ".join(f"`{name}{value}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    has_one = isinstance(default, (str, int, float)) and not isinstance(default, bool) and default != ""
    told = f"`{default}`" if has_one else ""
    variable = f" Environment variable: `{parameter.envvar}`." if parameter.envvar else ""
    return f"| {_cell(names)} | {told} | {_cell((parameter.help or '') + variable)} |"


def _kind(parameter: Any) -> str:
    """The kind of a value in capitals: TEXT, INT, FLOAT, PATH."""
    annotation = parameter.type_descriptor.annotation
    inner = next(iter(get_args(annotation)), annotation)
    return "TEXT" if inner is str else str(inner.__name__).upper()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
