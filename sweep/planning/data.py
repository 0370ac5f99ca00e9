"""The images of a sweep: by name for a new one, from its settings for a stored one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from results_db.records import SweepRow
from search_space.errors import SweepError
from sweep.planning.eligibility import Basis
from workers.data import datasets
from workers.data.image_set import ImageSet
from workers.training.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """Decoded images of a sweep."""

    train: ImageSet
    tests: tuple[ImageSet, ...]

    def basis(self, recipe: Recipe) -> Basis:
        """What a trial that is trained on these images with ``recipe`` must have been planned with."""
        return Basis(recipe.digest, self.train.digest[:12])


def load_data(root: str | None, train: tuple[str, ...] = (), tests: tuple[str, ...] = (), strict: bool = False) -> Data:
    """The training set and the test sets by name; embedded photographs without a root. Raises BadData."""
    found = Data(datasets.training_set(train, root, strict), datasets.test_sets(tests, root, strict))
    common = set(_digests(found.train)) & {d for images in found.tests for d in _digests(images)}
    if common:
        raise SweepError(f"{len(common)} image(s) are in the training set and in a test set; a fair test has none")
    return found


def recall_data(row: SweepRow, root: str | None = None) -> Data:
    """The images of a stored sweep, from its remembered folder or from ``root``. Raises BadData.

    Whether they are the images it began with, ``basis.why_not`` and ``image_sets.check_names`` tell.
    """
    wanted = row.settings.get("data", {})
    return load_data(root or wanted.get("root"), tuple(wanted.get("train", ())), tuple(wanted.get("tests", ())))


def _digests(images: ImageSet) -> list[str]:
    return [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in images.pixels]
