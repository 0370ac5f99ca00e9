"""Which sweep a person means: by its name, or by the number ``sweep db info --json`` and messages give it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from results_db import planning
from results_db.schema import sweep


def sweep_id(connection: Connection, wanted: int | str) -> int:
    """The id of a sweep; digits are a number unless a sweep is named so. Raises StoreError naming those there are."""
    if isinstance(wanted, str) and wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        named = connection.execute(select(sweep.c.id).where(sweep.c.name == wanted)).scalar()
        if named is None and connection.execute(select(sweep.c.id).where(sweep.c.id == int(wanted))).scalar():
            return int(wanted)
    return planning.sweep_id(connection, wanted)
