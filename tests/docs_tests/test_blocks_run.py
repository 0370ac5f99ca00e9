"""Every block of README and docs/ that is not marked runs, small, as it is written.

A page's blocks run one after another in one folder, with three finished sweeps of a few networks in ``sweep.db``. Names
that a page leaves open (ID, DEVICE, NAME) are filled in, trainings made short, limits of speed low; nothing else is
changed. Commands of ours run in this process, which has PyTorch loaded; everything else runs in a shell.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from results_db.store import Store
from search_space import parse_id
from search_space.facts import Speed
from sweep.settings_file import VARIABLES
from tests.docs_tests.blocks import MADE, PAGES, Block, blocks
from tests.sweep_tests.conftest import small_data as small_data

Shell = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]
DEVICE = "laptop"
MODEL = "eSR-MAX_s2_K3_C1"
SWEEPS = {"before": 3, "after": 4, "first": 2}
"""Training steps of the sweeps that pages take for granted; the newest is the last."""
FILLED = {"DEVICE": DEVICE, "pi": DEVICE, "ID": MODEL, "NAME": "first", "eSR-TM_s2_K5_C4": MODEL}
SHORT = {
    "run": "--limit 5 --executor inline --no-benchmark",
    "resume": "--executor inline --no-benchmark",
    "bundle": "--speed-protocol qhd5",
}
"""What makes a command short; a run without a recipe of its own gets a short one too."""
LEFT = {"docs/tracking.md": ("runs", "ended.txt"), "docs/deploying.md": ("model.onnx", "model.safetensors")}
"""Files that a page's commands write."""
KINDS = ("bash", "python", "yaml", "toml", "sql")
OF_THE_ZOO = ("README.md", "docs/zoo.md")
"""Pages that use the zoo of the repository."""
RUN = [page for page in PAGES if page not in MADE and any(b.kind in KINDS and not b.reason for b in blocks(page))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweeps, their speeds on a laptop, and a photograph."""
    import numpy as np
    from PIL import Image

    import sweep

    folder = tmp_path_factory.mktemp("docs")
    small = {"scale": 2, "family": ("eSR-MAX", "Bicubic"), "limit": 3, "recipe": "smoke", "executor": "inline"}
    for name, steps in SWEEPS.items():
        sweep.run("paper", folder / "sweep.db", name=name, steps=steps, benchmark=False, **small)  # type: ignore[arg-type]
    with Store.open(str(folder / "sweep.db")) as store:
        for place, config in enumerate(sorted({row.key.config for row in store.trials()}), 1):
            assert parse_id(config).scale == 2
            store.add_speeds([Speed(config, DEVICE, "eager", "fp32", "fullhd14", 90.0 / place, place / 90.0)])
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(
    page: str, finished: Path, small_data: Path, tmp_path: Path, sweep: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page in OF_THE_ZOO and not (ROOT / "zoo").is_dir():
        pytest.skip("the zoo is in the repository, not in a release")
    folder = shutil.copytree(finished, tmp_path / "work")
    (folder / "zoo").symlink_to(ROOT / "zoo")
    monkeypatch.chdir(folder)
    for block in blocks(page):
        if block.reason:
            continue
        if block.kind == "bash":
            for line in block.lines:
                _line(filled(line).replace("~/sr", shlex.quote(str(small_data))), sweep)
        else:
            _text(block)
    for name in LEFT.get(page, ()):
        assert Path(name).exists(), f"{page} leaves no {name}"


def filled(line: str) -> str:
    """The line with its open names filled in and its trainings made short.

    >>> filled("sweep best --device pi --min-fps 30")
    'sweep best --device laptop --min-fps 0.1'
    """
    for name, value in FILLED.items():
        line = re.sub(rf"(?<![\w./-]){name}(?![\w./-])", value, line)
    line = re.sub(r"--min-fps \d+", "--min-fps 0.1", line)
    return re.sub(rf"\bsweep ({'|'.join(SHORT)})\b[^&;|]*", lambda call: _short(call[0], call[1]), line)


def _short(call: str, command: str) -> str:
    recipe = " --recipe smoke --steps 2" if command == "run" and "--recipe" not in call else ""
    return f"{call.rstrip()} {SHORT[command]}{recipe}{' ' if call.endswith(' ') else ''}"


def _line(line: str, sweep: Shell) -> None:
    words = shlex.split(line)
    # Completion looks at the shell that it is called from.
    if words[0] == "sweep" and not re.search(r"[&;|$]", line) and "--install-completion" not in words:
        status, out, err = sweep(*words[1:])
        assert status == 0, f"{line}\n{out[-1500:]}\n{err[-3000:]}"
    elif words[0] == "sqlite3" and shutil.which("sqlite3") is None:
        assert _rows(words[-2], words[-1]), line
    else:
        if shutil.which(words[0]) is None and words[0] != "sweep":
            pytest.skip(f"{words[0]} is not installed")
        _shell(line)


def _rows(db: str, query: str) -> list[tuple[object, ...]]:
    """What Python's own SQLite answers, which needs no program."""
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _shell(line: str) -> None:
    folder = str(Path.cwd())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{line}\nexit $?"], env={**os.environ, "PATH": path, "HOME": folder}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"


def _text(block: Block) -> None:
    """A file that a page shows is written where it names itself, and read; a program and a query are run."""
    if named := re.match(r"# ([\w.-]+\.(?:py|yaml|toml))\b", block.text):
        Path(named[1]).write_text(block.text)
    if block.kind == "toml":
        tomllib.loads(block.text)
    elif block.kind == "yaml":
        yaml.safe_load(block.text)
    elif block.kind == "sql":
        for query in filter(str.strip, block.text.split(";")):
            assert _rows("sweep.db", query), query
    elif block.kind == "python" and not named:
        text = block.text.replace('recipe="demo"', 'recipe="smoke", limit=2, executor="inline", benchmark=False')
        Path("block.py").write_text(text.replace("min_fps=30", "min_fps=0.1"))
        _shell("python block.py")


def test_a_page_of_queries_runs_without_the_program_of_sqlite(
    finished: Path, sweep: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    lines = [line for block in blocks("docs/sql.md") if not block.reason for line in block.lines]
    asked = [line for line in lines if line.startswith("sqlite3")]
    assert len(asked) == 2
    for line in asked:
        _line(filled(line), sweep)


def test_the_project_file_that_a_page_shows_sets_what_it_says(
    tmp_path: Path, sweep: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("docs/recipes.md") if block.kind == "toml"]
    _text(block)
    status, out, _ = sweep("config", "show", "--json")
    facts = {row["name"]: (row["value"], Path(row["origin"]).name) for row in json.loads(out)}
    written = {name: (value, "edge-sweep.toml") for name, value in tomllib.loads(block.text).items()}
    written["db"] = (str(tmp_path / "results" / "sweep.db"), "edge-sweep.toml")
    written["data-root"] = (str(Path("~/sr").expanduser()), "edge-sweep.toml")
    assert status == 0 and facts == written


def test_the_pages_of_a_first_user_are_among_those_that_run() -> None:
    pages = ("README.md", "docs/tutorial/first-sweep.md", "docs/tutorial/ship-a-model.md", "docs/housekeeping.md")
    assert set(pages) <= set(RUN) and len(RUN) >= 12
