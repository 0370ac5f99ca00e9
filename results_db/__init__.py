"""WHAT was found: the schema, its migrations, the ``Store``, import and export.

Imports ``search_space`` only. The driver (``sweep``) is the one writer; ``analysis`` reads
(``results_db.reading.frames``). The public names: ``Store`` here, its values in ``results_db.records``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results_db.store import Store as Store

__all__ = ["Store"]


def __getattr__(name: str) -> object:
    """``Store`` on first use: SQLAlchemy takes a moment to import and ``sweep --help`` must not wait for it."""
    if name == "Store":
        from results_db.store import Store

        return Store
    raise AttributeError(name)
