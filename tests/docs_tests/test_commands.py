"""Every command of README and docs/ is one that there is; every block that is not marked runs, small, as it is written.

A page's blocks run one after another in one folder, with a finished sweep of a few networks in ``sweep.db``. Names that
a page leaves open (ID, DEVICE, NAME) are filled in, trainings made short, limits of speed low; nothing else is changed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from sweep.cli.main import command_line
from tests.docs_tests.blocks import MADE, PAGES, Block, blocks, every
from tests.sweep_tests.conftest import small_data as small_data

SMALL = {
    "run": "--limit 3 --executor inline --speed-protocol qhd5",
    "resume": "--executor inline --speed-protocol qhd5",
}
"""What makes a command short; one without a recipe of its own gets a short one too."""
FILLED = {
    "DEVICE": "laptop",
    "pi": "laptop",
    "ID": "eSR-MAX_s2_K3_C1",
    "NAME": "first",
    "eSR-TM_s2_K5_C4": "eSR-MAX_s2_K3_C1",
}
BASH = [block for block in every("bash") if not block.reason]
RUN = [
    page
    for page in PAGES
    if page not in MADE and any(block.kind in ("bash", "python") and not block.reason for block in blocks(page))
]


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished sweep, the files that pages take for granted, and ``sweep`` on PATH."""
    folder = tmp_path_factory.mktemp("docs")
    asked = "sweep run --space paper --device laptop --name first --scale 2 --family eSR-MAX --family Bicubic"
    _shell(_filled(asked), folder, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page: str, finished: Path, small_data: Path, tmp_path: Path) -> None:
    listed = [block for block in blocks(page) if not block.reason and block.kind in ("bash", "python", "yaml", "toml")]
    folder = shutil.copytree(finished, tmp_path / "work")
    _photo(folder / "photo.png")
    for block in listed:
        if block.kind == "bash":
            for line in block.lines:
                _shell(_filled(line), folder, small_data)
        elif block.kind == "toml":
            tomllib.loads(block.text)
        elif named := re.match(r"# ([\w.-]+\.(?:py|yaml))\b", block.text):
            (folder / named[1]).write_text(block.text)
        elif block.kind == "python":
            _python(block.text, folder)


def _filled(line: str) -> str:
    """The line with its open names filled in and its trainings made short."""
    for name, value in FILLED.items():
        line = re.sub(rf"(?<![\w-]){name}(?![\w-])", value, line)
    line = re.sub(r"--min-fps \d+", "--min-fps 0.1", line)
    return re.sub(r"\bsweep (run|resume)\b[^&;|]*", lambda call: _short(call[0], call[1]), line)


def _short(call: str, command: str) -> str:
    recipe = "--recipe smoke --steps 3" if command == "run" and "--recipe" not in call else ""
    return f"{call.rstrip()} {SMALL[command]} {recipe} "


def _shell(line: str, folder: Path, data: Path) -> None:
    line = line.replace("~/sr", shlex.quote(str(data)))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"


def _python(text: str, folder: Path) -> None:
    text = text.replace('recipe="demo"', 'recipe="smoke", limit=2, executor="inline", device="laptop"')
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stderr[-3000:]}"


def _photo(path: Path) -> None:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(path)
