"""The results file that a kit writes: its format, its digest, and going on with one. Python's own library only."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from search_space import atomic

RESULTS_FORMAT = "edge-sweep-measurements/1"
SAME = ("format", "kit", "device", "provider", "threads", "protocol")
"""What must not change between two runs that write one file."""


class Refused(Exception):
    """The kit, the board or a file is not as it should be."""


def canonical(document: dict[str, Any]) -> bytes:
    """What the digest of a results file is taken of: everything but the digest."""
    kept = {key: value for key, value in document.items() if key != "digest"}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def require_place(path: Path) -> None:
    """Refuse a file that cannot be written, before an hour is measured for it."""
    if path.is_dir():
        raise Refused(f"{path} is a folder: give --out a file")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-"):
            pass
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror} (give another --out)") from None


def save(document: dict[str, Any], path: Path) -> None:
    """Whole or not at all, so that a board without power in the middle loses one group."""
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    try:
        atomic.write(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from None


def resume(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """The results so far, when they are whole and of this kit, board, runtime and protocol; else refused."""
    if not path.exists():
        return fresh
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        digest = hashlib.sha256(canonical(found)).hexdigest() if isinstance(found, dict) else None
    except (OSError, ValueError, TypeError, RecursionError):
        found = digest = None
    if not isinstance(found, dict) or digest is None:
        raise Refused(f"{path} is no results file: give another --out")
    for key in SAME:
        if found.get(key) != fresh[key]:
            raise Refused(f"{path} was made with another {key} ({str(found.get(key))[:60]}): give another --out")
    if found.get("digest") != digest:
        raise Refused(f"{path} was changed or cut after it was written: give another --out")
    for name in ("results", "failed"):
        lines = found.setdefault(name, []) if name == "failed" else found.get(name)
        if not isinstance(lines, list) or not all(map(_is_line, lines)):
            raise Refused(f"{path} has {name} that no kit writes: give another --out")
    return found


def key_of(line: dict[str, Any]) -> tuple[str, str]:
    """What a line of the file, or of the manifest, is about."""
    return line["config"], line["precision"]


def plain(text: str, most: int) -> str:
    """One printable line of at most ``most`` characters, as a results file may hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most].strip() or "not told"


def _is_line(line: Any) -> bool:
    return isinstance(line, dict) and all(isinstance(line.get(name), str) for name in ("config", "precision"))
