"""Which models the page can run; a file of its own, as the command line reads it at its start."""

from __future__ import annotations

from enum import StrEnum


class Which(StrEnum):
    """The models whose networks the page holds."""

    FRONTIER = "frontier"
    ALL = "all"
    NONE = "none"
