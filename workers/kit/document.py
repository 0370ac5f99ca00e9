"""The results file that a kit writes: its format, its digest, and resuming one. Python's own library only."""

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
    """Something about the kit, the board or a file is wrong."""


def canonical(document: dict[str, Any]) -> bytes:
    """The bytes that the digest of a results file covers: everything but the digest."""
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
    """Write the file as a whole or not at all, so that a power cut loses one group at most."""
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
        stored = json.loads(path.read_text(encoding="utf-8"))
        digest = hashlib.sha256(canonical(stored)).hexdigest() if isinstance(stored, dict) else None
    except (OSError, ValueError, TypeError, RecursionError):
        stored = digest = None
    if not isinstance(stored, dict) or digest is None:
        raise Refused(f"{path} is no results file: give another --out")
    for key in SAME:
        if stored.get(key) != fresh[key]:
            raise Refused(f"{path} was made with another {key} ({str(stored.get(key))[:60]}): give another --out")
    if stored.get("digest") != digest:
        raise Refused(f"{path} was changed or cut after it was written: give another --out")
    for name in ("results", "failed"):
        lines = stored.setdefault(name, []) if name == "failed" else stored.get(name)
        if not isinstance(lines, list) or not all(map(_is_line, lines)):
            raise Refused(f"{path} has {name} that no kit writes: give another --out")
    return stored


def key_of(line: dict[str, Any]) -> tuple[str, str]:
    """Config and precision of a line of the file or of the manifest."""
    return line["config"], line["precision"]


def plain(text: str, most: int) -> str:
    """One printable line of at most ``most`` characters, as a results file may hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most].strip() or "no reason given"


def _is_line(line: Any) -> bool:
    return isinstance(line, dict) and all(isinstance(line.get(name), str) for name in ("config", "precision"))
