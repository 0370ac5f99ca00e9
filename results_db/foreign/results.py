"""Results that others measured, before they are in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search_space.facts import Quality, Speed


@dataclass(frozen=True)
class ForeignResults:
    """Quality and speed of configs, as facts, and the source's own parameter counts by config."""

    qualities: tuple[Quality, ...]
    speeds: tuple[Speed, ...]
    parameters: Mapping[str, int]

    @property
    def configs(self) -> tuple[str, ...]:
        """The configs in them, in the file's order."""
        return tuple(dict.fromkeys([*(q.config for q in self.qualities), *(s.config for s in self.speeds)]))
