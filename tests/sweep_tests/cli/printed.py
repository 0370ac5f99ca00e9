"""Commands in texts: where they stand as something to type, and whether the command line takes them as they are."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sweep_tests.cli.test_option_names import ALL, WHOLE

ROOT = Path(__file__).parents[3]
PACKAGES = ("sweep", "analysis", "results_db", "workers", "search_space")
PLACEHOLDERS = {"X": "1", "N": "1", "S": "1", "SCALE": "2", "KIND": "pareto", "...": ""}
"""Words that stand for a number or a kind, by the number or kind to try."""
GROUPS = {name.split()[1] for name in ALL}
"""The first words after ``sweep`` that there are."""


def taken(line: str) -> None:
    """Parse a command as the shell and the command line would, without running it. Raises what they raise."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True)]
    words = [word for word in words[: words.index("|") if "|" in words else None] if word]
    if words[1].startswith("--"):
        assert any(words[1] in parameter.opts for parameter in WHOLE.params) or words[1] == "--help", line
        return
    context = WHOLE.make_context("sweep", words[1:])
    while hasattr(context.command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def commands_of(text: str) -> Iterator[str]:
    """The sweep commands of a line of shell."""
    inner = re.findall(r"\$\(([^()]*)\)", text)
    for part in re.split(r"&&?|;", re.sub(r"\$\([^()]*\)", "", text)) + inner:
        if part.strip().startswith("sweep "):
            yield part.strip()


def in_backticks(text: str) -> list[str]:
    """The commands in backticks, which stand there to be typed."""
    return re.findall(r"(?<!`)`(sweep [^`]+)`(?!`)", " ".join(text.split()))


def in_message(text: str) -> list[str]:
    """The commands that a message gives to be typed: those in backticks, and those after a colon."""
    after = re.findall(r": (sweep [a-z][^`]*?)(?=  |[,;)]|$)", text)
    typed = [*in_backticks(text), *(command for command in after if command.split()[1] in GROUPS)]
    return [re.sub(r"\{[^{}]*\}", "1", command) for command in typed]


def texts(source: str) -> Iterator[str]:
    """The texts of a program but its docstrings, with ``{}`` where something is filled in."""
    tree = ast.parse(source)
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            left_out.update(map(id, node.values))
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def messages() -> Iterator[tuple[str, str]]:
    """File and text of each message of our programs."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for text in texts(file.read_text(encoding="utf-8")):
                yield str(file.relative_to(ROOT)), text


def helps(command: Any = WHOLE, name: str = "sweep") -> Iterator[tuple[str, str]]:
    """Name and help of the command line, its groups and its commands."""
    yield name, command.help or ""
    for word, one in getattr(command, "commands", {}).items():
        yield from helps(one, f"{name} {word}")
