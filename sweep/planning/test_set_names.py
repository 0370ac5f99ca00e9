"""Which images a sweep's figures are of: what is remembered of the test sets, and that a name means one set only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results_db.records import Source
from results_db.store import Store
from search_space.errors import SweepError
from workers.data.image_set import ImageSet
from workers.quality.protocol import PROTOCOL


def digests(tests: Iterable[ImageSet]) -> dict[str, str]:
    """Content of each test set by its name, as a sweep keeps it."""
    return {images.name: images.digest for images in tests}


def check_names(store: Store, tests: Sequence[ImageSet]) -> None:
    """Refuse a test set under the name of another one that this store holds figures of. Raises SweepError.

    A figure is kept under the set's name: the figures of two sets would be taken for comparable ones.
    """
    for row in (row for row in store.sweeps() if row.source is Source.OURS):
        known = row.settings.get("data", {}).get("digests", {})
        for images in tests:
            if known.get(images.name, images.digest) != images.digest and _has_figures(store, row.id, images.name):
                raise SweepError(
                    f"test set {images.name} ({len(images)} images) is not the {images.name} that sweep {row.name!r} "
                    "was measured on, and figures of other images must not go by the same name: bring back the "
                    "images, give the folder another name, or use another --db"
                )


def _has_figures(store: Store, sweep_id: int, dataset: str) -> bool:
    return store.counts(sweep_id).done > len(store.unmeasured(sweep_id, dataset, "psnr", PROTOCOL))


def note(store: Store, sweep_id: int, tests: Sequence[ImageSet]) -> None:
    """Remember what a sweep is measured on, so that a resume measures on the same: its earlier sets and ``tests``."""
    settings = store.sweep(sweep_id).settings
    together = with_tests(settings, digests(tests))
    if together != settings:
        store.change_settings(sweep_id, together)


def with_tests(settings: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
    """``settings`` of a sweep, with the test sets of ``more`` (name and digest) beside its own.

    >>> with_tests({"data": {"tests": ["A"]}}, {"B": "f"})
    {'data': {'tests': ['A', 'B'], 'digests': {'B': 'f'}}}
    """
    data = settings.get("data", {})
    names = list(dict.fromkeys([*data.get("tests", ()), *more]))
    return {**settings, "data": {**data, "tests": names, "digests": dict(data.get("digests", {})) | dict(more)}}
