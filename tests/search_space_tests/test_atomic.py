"""A file is there as a whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from search_space import atomic


@pytest.mark.parametrize("content", [b"caf\xc3\xa9", "café", lambda file: file.write(b"caf\xc3\xa9")])
def test_bytes_text_and_what_a_function_writes_arrive(tmp_path: Path, content: bytes | str) -> None:
    atomic.write(tmp_path / "a.txt", content)
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xc3\xa9"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def half(file: IO[bytes]) -> None:
        file.write(b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.write(target, half)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_program_killed_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    program = (
        "import os, sys; from pathlib import Path; from search_space import atomic\n"
        "def half(file):\n    file.write(b'ne'); file.flush(); os._exit(9)\n"
        "atomic.write(Path(sys.argv[1]), half)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(target)]).returncode == 9
    assert target.read_text() == "old"


def test_the_bytes_are_on_the_disk_before_the_name_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []
    target = tmp_path / "a.txt"
    monkeypatch.setattr(os, "fsync", lambda number: seen.append((os.fstat(number).st_size, target.exists())))
    atomic.write(target, b"12345")
    assert seen == [(5, False)]


def test_the_file_gets_the_permissions_a_plain_one_would(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic.write(tmp_path / "a.txt", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_temporary_path_keeps_the_folder_and_the_ending(tmp_path: Path) -> None:
    with atomic.replaced(tmp_path / "film.mp4") as temporary:
        temporary.write_bytes(b"x")
        assert (temporary.parent, temporary.suffix, temporary.name.startswith(".")) == (tmp_path, ".mp4", True)
    assert (tmp_path / "film.mp4").read_bytes() == b"x"


def test_a_folder_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        atomic.write(tmp_path / "none" / "a.txt", b"")


def test_what_a_killed_program_left_of_a_file_goes_and_nothing_else(tmp_path):
    old, fresh, foreign = (tmp_path / name for name in (".0123abcd-a.db", ".89abcdef-a.db", ".0123abcd-b.db"))
    for path in (old, fresh, foreign):
        path.write_text("half")
    for path in (old, foreign):
        os.utime(path, (0, 0))
    atomic.write(tmp_path / "a.db", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".0123abcd-b.db", ".89abcdef-a.db", "a.db"]
