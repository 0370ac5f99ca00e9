"""Every command that help, README, documentation and messages print is one that the command line takes as it is."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep_tests.cli.test_option_names import ALL, WHOLE

ROOT = Path(__file__).parents[3]
PACKAGES = ("sweep", "analysis", "results_db", "workers", "search_space")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDERS = {"X": "1", "N": "1", "S": "1", "SCALE": "2", "KIND": "pareto", "...": ""}
"""Words that stand for a number or a kind, by the number or kind to try."""


def taken(line: str) -> None:
    """Parse a command as the shell and the command line would, without running it. Raises what they raise."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True)]
    words = [word for word in words[: words.index("|") if "|" in words else None] if word]
    context = WHOLE.make_context("sweep", words[1:])
    while hasattr(context.command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def commands_of(text: str) -> Iterator[str]:
    """The sweep commands of a line of shell."""
    inner = re.findall(r"\$\(([^()]*)\)", text)
    for part in re.split(r"&&|;", re.sub(r"\$\([^()]*\)", "", text)) + inner:
        if part.strip().startswith("sweep "):
            yield part.strip()


EXAMPLES = [
    (name, command)
    for name, one in ALL.items()
    for line in re.findall(r"Example: (.*)", one.help or "")
    for command in commands_of(line)
]


@pytest.mark.parametrize(("name", "command"), EXAMPLES)
def test_examples_of_help_are_taken(name: str, command: str) -> None:
    taken(command)


def blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text()
        for block in re.findall(r"```(?:bash|sh|console)?\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for command in commands_of(line.removeprefix("$ ").strip()):
                    yield page.name, command
        for span in re.findall(r"(?<!`)`(sweep [^`\n]+)`(?!`)", text):
            # "a|b" and "[--x]" name choices; they are no commands to be copied.
            if not re.search(r"[|\[…]|\.\.\.", span):
                yield page.name, span


WRITTEN = sorted(set(blocks()))


@pytest.mark.parametrize(("page", "command"), WRITTEN)
def test_commands_of_readme_and_documentation_are_taken(page: str, command: str) -> None:
    words = command.split()
    if words[1].startswith("--"):
        assert any(words[1] in parameter.opts for parameter in WHOLE.params) or words[1] == "--help"
        return
    if len(words) < 3 and " ".join(words) not in ALL:
        # A command's bare name in running text.
        assert any(name.startswith(command) for name in ALL)
        return
    if f"sweep {words[1]}" in ALL or any(name.startswith(f"sweep {words[1]} ") for name in ALL):
        try:
            taken(command)
        except Exception as error:
            # In running text an option may stand without what the command must have.
            if "Missing" not in f"{error!r} {error}":
                raise
        return
    raise AssertionError(f"{page} names {command!r}, which is no command")


def messages() -> Iterator[tuple[str, str]]:
    """What looks like a command in the texts of our programs: ``sweep NAME`` and the options after it."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for found in re.findall(r"\bsweep ((?:[a-z-]+ )?[a-z-]+(?: --[a-z-]+(?: [A-Z]+)?)*)", node.value):
                        yield str(file.relative_to(ROOT)), found


def test_commands_in_messages_exist_with_their_options() -> None:
    groups = {name.split()[1] for name in ALL}
    seen = 0
    for file, found in messages():
        words = found.split()
        if words[0] not in groups:
            continue
        name = next(
            (n for n in (f"sweep {words[0]} {words[1]}" if len(words) > 1 else "", f"sweep {words[0]}") if n in ALL), ""
        )
        options = [word for word in words if word.startswith("--")]
        if not name or not options:
            continue
        seen += 1
        known = {opt for parameter in ALL[name].params for opt in (*parameter.opts, *parameter.secondary_opts)}
        assert set(options) <= known | {"--help"}, f"{file}: sweep {found}"
    assert seen > 10
