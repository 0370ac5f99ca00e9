"""What this process would train a trial with, and whether that is what the trial's key promises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results_db.records import TrialRow
from search_space import parse_id
from search_space.errors import BadConfig
from search_space.facts import TrialKey
from workers.training.code_digest import code_of


@dataclass(frozen=True)
class Basis:
    """Digests of the recipe and of the training images at hand; that of the code is the config's own."""

    recipe: str
    data: str

    def unlike(self, key: TrialKey) -> str:
        """What ``key`` was planned with that is not at hand: ``recipe``, ``data`` or ``code``; empty when all is.

        Training it all the same would file new numbers under an old key.
        """
        if key.recipe != self.recipe:
            return "recipe"
        if key.data != self.data:
            return "data"
        try:
            return "" if key.code == code_of(parse_id(key.config)) else "code"
        except BadConfig:  # a family that is not here
            return "code"

    def own(self, rows: Iterable[TrialRow]) -> list[TrialRow]:
        """Those of ``rows`` that may be trained here, in order."""
        return [row for row in rows if not self.unlike(row.key)]


REASONS = {
    "recipe": "the recipe is not the one that {name} began with",
    "data": "the training images are not those {name} began with; give the right --data-root",
    "code": (
        "the training code has changed since {name} began; its results stay under their own key. "
        "Start a new sweep with `sweep run`, or go back to the version of the old one"
    ),
}


def why_not(basis: Basis, rows: Sequence[TrialRow], name: str) -> str:
    """Why nothing of ``rows`` can be trained here, in words; empty when something can, or nothing is missing."""
    reasons = [basis.unlike(row.key) for row in rows]
    return REASONS[reasons[0]].format(name=name) if reasons and all(reasons) else ""
