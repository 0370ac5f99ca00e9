"""Results as a file for other programs: CSV, Parquet or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from search_space import atomic
from search_space.errors import MissingExtra, StoreError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "json")


def write(table: pd.DataFrame, path: Path, form: str) -> None:
    """Write a frame to ``path``, as a whole or not at all; its folder is made.

    Raises StoreError when it cannot be written, MissingExtra for Parquet without pyarrow.

    CSV leaves unknown values empty, JSON writes null (a list of objects), Parquet keeps them as nulls.
    """
    writers: dict[str, Callable[[IO[bytes]], object]] = {
        "csv": lambda file: table.to_csv(file, index=False, mode="wb"),
        "parquet": lambda file: table.to_parquet(file, index=False),
        "json": lambda file: file.write(_json(table).encode()),
    }
    if form not in writers:
        raise StoreError(f"{form!r} is not a format (choose from {', '.join(FORMATS)})")
    if form == "parquet" and find_spec("pyarrow") is None:
        raise MissingExtra("Parquet files need pyarrow: pip install 'edge-sweep[parquet]'")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, writers[form])
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def _json(table: pd.DataFrame) -> str:
    """Objects in a list, numbers with all their digits (pandas' own writer rounds)."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return "[\n" + ",\n".join(json.dumps(row, default=str) for row in rows) + "\n]\n"
