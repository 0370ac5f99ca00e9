"""Figures to files: PNG, SVG or PDF, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from analysis.charts import style
from search_space import atomic
from search_space.errors import SweepError
from search_space.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "edge-sweep"},
    "svg": {"Creator": "edge-sweep", "Date": None},
    "pdf": {"Creator": "edge-sweep", "CreationDate": None},
}


def check(path: Path) -> str:
    """The format a path asks for; raises SweepError for another one or a folder that is not there."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise SweepError(f"{path}: cannot draw {path.suffix or 'a file without ending'} (choose .png, .svg or .pdf)")
    return kind


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same data gives the same bytes. Raises SweepError where nothing can be written."""
    from matplotlib.text import Text

    kind = check(path)
    for text in figure.findobj(Text):
        if (clean := visible(text.get_text())) != text.get_text():
            text.set_text(clean)
    with style.applied():
        write(path, lambda file: figure.savefig(file, format=kind, metadata=_METADATA[kind]))


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file with ``fill(file)``, as a whole or not at all; its folder is made.

    Raises SweepError for a folder that cannot be made or written; what was there before stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, fill)
    except OSError as error:
        raise SweepError(f"cannot write {path}: {error.strerror or error}") from None
