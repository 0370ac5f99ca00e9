"""A test set's name means the same images in all of a database: quality is stored under the name."""

from __future__ import annotations

from collections.abc import Sequence

from results_db.records import Source
from results_db.store import Store
from search_space.errors import SweepError
from sweep.planning.data import Data
from sweep.planning.settings import SweepSettings
from workers.data.image_set import ImageSet
from workers.quality.protocol import PROTOCOL


def check_names(store: Store, tests: Sequence[ImageSet]) -> None:
    """Refuse a test set under the name of another one that this store holds measurements of. Raises SweepError.

    The measurements of two sets under one name would be taken for comparable ones.
    """
    for row in (row for row in store.sweeps() if row.source is Source.OURS):
        digests = SweepSettings.from_dict(row.settings).data.digests
        for images in tests:
            changed = digests.get(images.name, images.digest) != images.digest
            if changed and _has_measurements(store, row.id, images.name):
                raise SweepError(
                    f"test set {images.name} ({len(images)} images) is not the {images.name} that sweep {row.name!r} "
                    "was measured on, and measurements of other images must not go by the same name: bring back the "
                    "images, give the folder another name, or use another --db"
                )


def _has_measurements(store: Store, sweep_id: int, dataset: str) -> bool:
    return store.counts(sweep_id).done > len(store.unmeasured(sweep_id, dataset, "psnr", PROTOCOL))


def remember_tests(store: Store, sweep_id: int, data: Data) -> None:
    """Store the test sets of ``data`` beside those a sweep has, so that a resume measures on all of them."""
    settings = SweepSettings.from_dict(store.sweep(sweep_id).settings)
    more = settings.with_tests(data.test_digests)
    if more != settings:
        store.change_settings(sweep_id, more.to_dict())
