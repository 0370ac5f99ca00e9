"""Every command of README and docs/ is one that there is, with these options, and a block that is not run says why."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer.main

from sweep.cli.main import command_line
from tests.docs_tests.blocks import Block, every

BASH = [block for block in every("bash") if not block.reason]


def known_commands() -> dict[str, set[str]]:
    """The options of each command, by its words."""
    out: dict[str, set[str]] = {}

    def walk(command: object, words: str) -> None:
        below = getattr(command, "commands", {})
        for name, each in below.items():
            walk(each, f"{words} {name}".strip())
        params = command.params  # type: ignore[attr-defined]
        out[words] = {name for one in params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}

    walk(typer.main.get_command(command_line(["--version"])), "")
    return out


KNOWN = known_commands()


def sweeps(line: str) -> Iterator[list[str]]:
    """The calls of ``sweep`` in a line, each as words."""
    for call in re.findall(r"(?:^|[\s(\"'&;|])sweep ([a-z][^&;|)$\"]*)", line):
        yield shlex.split(call.replace("'", ""))


@pytest.mark.parametrize("block", every("bash"), ids=lambda block: f"{block.page}:{block.line}")
def test_every_command_and_option_of_a_block_is_there(block: Block) -> None:
    for line in block.lines:
        for words in sweeps(line):
            name = " ".join(words[:2]) if " ".join(words[:2]) in KNOWN else words[0]
            assert name in KNOWN, f"{line}: there is no command {name}"
            options = {word.split("=")[0] for word in words if re.fullmatch(r"-{1,2}[a-z][a-z0-9-]*(=.*)?", word)}
            assert options <= KNOWN[name] | KNOWN[""], f"{line}: {sorted(options - KNOWN[name])}"


def test_the_blocks_of_commands_are_found() -> None:
    assert len(every("bash")) > 40 and len(BASH) > 15
    assert all(len(block.reason) > 10 for block in every("bash") if block.reason), "a reason is a sentence"
