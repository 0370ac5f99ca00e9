"""Every command that help, README, documentation and messages print is one that the command line takes as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.sweep_tests.cli.printed import (
    GROUPS,
    ROOT,
    commands_of,
    helps,
    in_backticks,
    in_message,
    messages,
    taken,
    texts,
)
from tests.sweep_tests.cli.test_option_names import ALL

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [
    (name, command)
    for name, one in ALL.items()
    for line in re.findall(r"Example: (.*)", one.help or "")
    for command in commands_of(line)
]


@pytest.mark.parametrize(("name", "command"), EXAMPLES)
def test_examples_of_help_are_taken(name: str, command: str) -> None:
    taken(command)


HELPED = [(name, command) for name, text in helps() for command in in_backticks(text)]


@pytest.mark.parametrize(("name", "command"), HELPED)
def test_commands_in_the_prose_of_help_are_taken(name: str, command: str) -> None:
    taken(command)


def test_the_first_commands_of_a_new_user_are_among_them() -> None:
    first = [command.split()[1] for name, command in HELPED if name == "sweep"]
    assert first == ["run", "plot", "report", "best"]


def in_blocks() -> Iterator[tuple[str, str]]:
    """Commands of blocks, each on a line of its own."""
    for page in PAGES:
        for block in re.findall(r"```(?:bash|sh|console)?\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                for command in commands_of(line.removeprefix("$ ").strip()):
                    yield str(page.relative_to(ROOT)), command


def in_text() -> Iterator[tuple[str, str]]:
    """Commands in running text. "a|b" and "[--x]" name choices; they are no commands to be copied."""
    for page in PAGES:
        for span in re.findall(r"(?<!`)`(sweep [^`\n]+)`(?!`)", page.read_text()):
            if not re.search(r"[|\[…]|\.\.\.", span):
                yield str(page.relative_to(ROOT)), span


@pytest.mark.parametrize(("page", "command"), sorted(set(in_blocks())))
def test_commands_in_blocks_of_readme_and_documentation_are_taken(page: str, command: str) -> None:
    taken(command)


@pytest.mark.parametrize(("page", "command"), sorted(set(in_text())))
def test_commands_in_the_text_of_readme_and_documentation_are_taken(page: str, command: str) -> None:
    words = command.split()
    if len(words) < 3 and command not in ALL and not words[1].startswith("--"):
        # A group's bare name.
        assert any(name.startswith(command) for name in ALL)
        return
    assert words[1].startswith("--") or words[1] in GROUPS, f"{page} names {command!r}, which is no command"
    try:
        taken(command)
    except Exception as error:
        # In running text an option may stand without what the command must have.
        if "Missing" not in f"{error!r} {error}":
            raise


TOLD = sorted({(file, command) for file, text in messages() for command in in_message(text)})


@pytest.mark.parametrize(("file", "command"), TOLD)
def test_commands_that_messages_give_to_be_typed_are_taken(file: str, command: str) -> None:
    taken(command)
    # Without its database a command goes to another one, where no sweep has the name.
    assert not re.search(r"--(name|sweep) 1", command) or "--db 1" in command


def test_commands_of_messages_are_found_and_missing_options_noticed() -> None:
    program = '''
def f(name):
    """Docstrings may say `sweep best`."""
    raise Error(f"start with `sweep report --name {name}`, or "
                f"see why: sweep status --failed --db {name}")
'''
    (message,) = texts(program)
    assert in_message(message) == ["sweep report --name 1", "sweep status --failed --db 1"]
    taken("sweep status --failed --db 1")
    with pytest.raises(Exception, match="Missing parameter: out"):
        taken("sweep report --name 1")
    files = {file for file, _ in TOLD}
    assert {"sweep/planning/open_sweep.py", "sweep/planning/user_families.py", "workers/kit/board.py"} <= files


def test_options_in_messages_exist() -> None:
    seen = 0
    for file, text in messages():
        for found in re.findall(r"\bsweep ((?:[a-z-]+ )?[a-z-]+(?: --[a-z-]+(?: [A-Z]+)?)*)", text):
            words = found.split()
            options = [word for word in words if word.startswith("--")]
            name = next((n for n in (f"sweep {' '.join(words[:2])}", f"sweep {words[0]}") if n in ALL), "")
            if not name or not options:
                continue
            seen += 1
            known = {opt for parameter in ALL[name].params for opt in (*parameter.opts, *parameter.secondary_opts)}
            assert set(options) <= known | {"--help"}, f"{file}: sweep {found}"
    assert seen > 10
