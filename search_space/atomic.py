"""Files that are there as a whole or not at all. Python's own library only: boards write their results with it."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LEFT_BEHIND_S = 3600.0
"""A temporary file that nobody has written to for this time belongs to a program that was killed."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, with the same ending, to write to; it becomes ``path`` at the end.

    When the block raises, or the program dies, ``path`` is what it was before. The file is on the disk before it is
    renamed, so that a power cut cannot leave an empty one. What a killed program left of the same file goes. Raises
    OSError.
    """
    _remove_left_behind(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_left_behind(path: Path) -> None:
    ours = re.compile(rf"\.[0-9a-f]{{8}}-{re.escape(path.name)}")
    with suppress(OSError):
        for other in path.parent.iterdir():
            if ours.fullmatch(other.name) and time.time() - other.stat().st_mtime > LEFT_BEHIND_S:
                other.unlink(missing_ok=True)


def write(path: Path, content: bytes | str | Callable[[IO[bytes]], object]) -> None:
    """Write bytes, text (UTF-8) or whatever ``content`` writes to the binary file it is called with.

    Raises OSError.
    """
    with replaced(path) as temporary, temporary.open("xb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content.encode() if isinstance(content, str) else content)
