"""The parts of scripts/release that need no new environment."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RELEASE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "release"))


def test_the_tour_is_that_of_readme_with_its_open_names_filled_in() -> None:
    lines = RELEASE["tour"]()
    assert lines[0] == "sweep run --space demo" and lines[-1] == "sweep --install-completion" and len(lines) > 8
    text = "\n".join(lines)
    assert "export $ID " in text and "--device $DEVICE" in text and "#" not in text


def test_the_extras_of_the_tour_are_those_that_readme_names() -> None:
    named = "".join((ROOT / "README.md").read_text().split("## Five minutes")[1].split("```")[0])
    assert f"[{','.join(RELEASE['TOUR_EXTRAS'])}]" in named


def test_a_line_runs_in_a_home_of_its_own_and_a_failing_one_ends_the_release(tmp_path: Path) -> None:
    RELEASE["shell"]('echo "$HOME" > home', tmp_path, tmp_path)
    assert (tmp_path / "home").read_text().strip() == str(tmp_path)
    with pytest.raises(SystemExit, match="false; true"):
        RELEASE["shell"]("false; true", tmp_path, tmp_path)


def test_this_python_is_among_those_that_are_checked_one_per_minor_version() -> None:
    versions = []
    for name in RELEASE["pythons"]():
        told = subprocess.run([name, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
        versions.append(tuple(map(int, told.stdout.split())))
    assert sys.version_info[:2] in versions and len(set(versions)) == len(versions) and min(versions) >= (3, 11)


def test_an_open_changelog_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"close it as `## 9\.9\.9"):
        RELEASE["check_closed"]("9.9.9")


def test_what_is_installed_by_hash_is_what_is_pinned() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = [line.split(";")[0].split(" ")[0] for line in (ROOT / name).read_text().splitlines()]
        return {a.lower(): b for a, _, b in (line.partition("==") for line in lines) if b}

    pinned, hashed = pins("constraints.txt"), pins("constraints-hashed.txt")
    assert len(hashed) > 40 and "torch" not in hashed
    assert {name: version for name, version in hashed.items() if pinned.get(name, version) != version} == {}
    text = (ROOT / "constraints-hashed.txt").read_text()
    assert text.count("--hash=sha256:") >= len(hashed)
