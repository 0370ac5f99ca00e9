"""Facts of a speed that are stored in its JSON ``detail``, read as columns by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Connection, Integer, Text, cast, func

from results_db.schema import speed

if TYPE_CHECKING:
    import pandas as pd

DISTURBED, THREADS, OUTPUT, KIT = "disturbed", "threads", "output", "kit"
COLUMNS = (DISTURBED, THREADS, OUTPUT, KIT)
"""Columns of ``frames.results`` that come from the detail of a speed."""


def columns(connection: Connection) -> list[Any]:
    """``disturbed`` (1, 0 or NULL), ``threads``, ``output`` (JSON ``[width, height]``) and ``kit`` (its hash)."""
    detail = func.nullif(speed.c.detail, "")
    if connection.dialect.name == "postgresql":
        parsed: Any = cast(detail, JSON)
        return [
            cast(parsed[DISTURBED].as_boolean(), Integer).label(DISTURBED),
            parsed[THREADS].as_integer().label(THREADS),
            cast(parsed[OUTPUT], Text).label(OUTPUT),
            parsed[KIT].as_string().label(KIT),
        ]
    return [
        func.json_extract(detail, f"$.{DISTURBED}", type_=Integer).label(DISTURBED),
        func.json_extract(detail, f"$.{THREADS}", type_=Integer).label(THREADS),
        func.json_extract(detail, f"$.{OUTPUT}", type_=Text).label(OUTPUT),
        func.json_extract(detail, f"$.{KIT}", type_=Text).label(KIT),
    ]


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """``disturbed`` as True, False or missing, and ``output`` as ``1920x1080``."""
    disturbed = table[DISTURBED].astype("Float64").astype("boolean")
    parts = table[OUTPUT].astype("str").str.extract(r"^\[\s*(\d+),\s*(\d+)\s*\]$")
    return table.assign(**{DISTURBED: disturbed, OUTPUT: parts[0] + "x" + parts[1]})
