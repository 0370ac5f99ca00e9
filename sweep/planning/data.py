"""The images of a sweep: by name for a new one, from its settings for a stored one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from search_space.errors import SweepError
from sweep.planning.settings import DataSettings
from sweep.planning.training_inputs import TrainingInputs
from workers.data import datasets
from workers.data.image_set import ImageSet
from workers.training.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """Decoded images of a sweep."""

    train: ImageSet
    tests: tuple[ImageSet, ...]

    def basis(self, recipe: Recipe) -> TrainingInputs:
        """What a trial that is trained on these images with ``recipe`` must have been planned with."""
        return TrainingInputs(recipe.digest, self.train.digest[:12])

    @property
    def test_digests(self) -> dict[str, str]:
        """Digest of the content of each test set by its name."""
        return {images.name: images.digest for images in self.tests}

    @property
    def train_names(self) -> tuple[str, ...]:
        """Names of the sets that make up the training set."""
        return tuple(part for part in self.train.name.split("+") if part)


def load_data(root: str | None, train: tuple[str, ...] = (), tests: tuple[str, ...] = (), strict: bool = False) -> Data:
    """The training set and the test sets by name; embedded photographs without a root. Raises BadData."""
    data = Data(datasets.training_set(train, root, strict), datasets.test_sets(tests, root, strict))
    common = set(_digests(data.train)) & {digest for images in data.tests for digest in _digests(images)}
    if common:
        raise SweepError(f"{len(common)} image(s) are in the training set and in a test set; a fair test has none")
    return data


def recall_data(stored: DataSettings, root: str | None = None) -> Data:
    """The images of a stored sweep, from its remembered folder or from ``root``. Raises BadData.

    Whether they are the images it began with, ``OpenSweep.recall`` checks.
    """
    return load_data(root or stored.root, stored.train, stored.tests)


def _digests(images: ImageSet) -> list[str]:
    return [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in images.pixels]
