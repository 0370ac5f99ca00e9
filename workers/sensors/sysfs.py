"""Small files of the Linux kernel, read without raising."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str | None:
    """The file's text without the line end, or None when it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def number(path: Path) -> float | None:
    """The file's number, or None."""
    content = text(path)
    try:
        return float(content) if content else None
    except ValueError:
        return None
