"""What this process would train a trial with, and whether that is what the trial's key promises."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from search_space import parse_id
from search_space.errors import BadConfig
from search_space.facts import TrialKey
from workers.training.code_digest import code_of


@dataclass(frozen=True)
class TrainingInputs:
    """Digests of the recipe and of the training images at hand; the digest of the code depends on the config."""

    recipe: str
    data: str

    def mismatch(self, key: TrialKey) -> str:
        """Which input ``key`` was planned with is another one here: ``recipe``, ``data`` or ``code``; else empty.

        Training it all the same would file new numbers under an old key.
        """
        if key.recipe != self.recipe:
            return "recipe"
        if key.data != self.data:
            return "data"
        try:
            return "" if key.code == code_of(parse_id(key.config)) else "code"
        except BadConfig:  # a family that is not known in this process
            return "code"


REFUSALS = {
    "recipe": "the recipe is not the one that {name} began with",
    "data": "the training images are not those {name} began with; give the right --data-root",
    "code": (
        "the training code has changed since {name} began; its results stay under their own key. "
        "Start a new sweep with `sweep run --space SPACE --db {db}`, or go back to the version of the old one"
    ),
}


def refusal(inputs: TrainingInputs, keys: Iterable[TrialKey], name: str, url: str) -> str:
    """Why none of ``keys`` of sweep ``name`` in the database at ``url`` can be trained here, in words; empty when some
    can, or when there are none."""
    mismatches = [inputs.mismatch(key) for key in keys]
    return REFUSALS[mismatches[0]].format(name=name, db=quote(url)) if mismatches and all(mismatches) else ""
