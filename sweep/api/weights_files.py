"""Measurements of weights files, kept beside earlier ones in a store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from results_db.records import Source
from search_space import Config, parse_id
from search_space.errors import BadConfig, BadWeights
from search_space.facts import Quality
from workers.data.image_set import ImageSet, Skipped
from workers.quality.evaluate_files import WeightsFile, evaluate_files, find_weights
from workers.quality.protocol import PROTOCOL

if TYPE_CHECKING:
    from results_db.store import Store


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` measured, and what it could not."""

    qualities: tuple[Quality, ...]
    """By file, then test set, then metric."""
    skipped: tuple[Skipped, ...]
    """Files that are no weights or no images."""
    failed: tuple[str, ...]
    """Why files of weights could not be used, one line each."""


def chosen_files(
    config: str | Config | None, weights: str | Path | None, weights_dir: str | Path | None
) -> tuple[tuple[WeightsFile, ...], tuple[Skipped, ...]]:
    """The one file, or those of a folder that are named after an id; and the files of the folder that are not."""
    chosen = parse_id(config) if isinstance(config, str) else config
    if weights is not None:
        if chosen is None:
            raise BadConfig("which config are these weights of? sweep evaluate ID --weights FILE")
        return (WeightsFile(chosen, Path(weights)),), ()
    assert weights_dir is not None
    files, strangers = find_weights(weights_dir)
    if chosen is not None:
        files = tuple(file for file in files if file.config == chosen)
        if not files:
            raise BadWeights(f"{weights_dir} holds no weights of {chosen.id}")
    return files, strangers


class EarlierResults:
    """The results that the store has from earlier calls, and the way to add to them."""

    def __init__(self, store: Store, name: str, protocol: str) -> None:
        self.store, self.name, self.source, self.protocol = store, name, Source.RE_EVALUATED, protocol
        self.sweep = store.create_sweep(name, "weights files", "{}", source=self.source)

    def qualities(self) -> list[Quality]:
        """All results stored under this protocol, image by image."""
        from results_db.reading.finished import images_of

        return [q for q in images_of(self.store, self.name, self.source) if q.protocol == self.protocol]

    def add(self, qualities: Iterable[Quality]) -> None:
        """Write at once, so that a killed run loses the results of one file."""
        self.store.add_qualities(self.sweep, qualities, self.source, label=self.name)


def measure_files(
    files: Sequence[WeightsFile],
    sets: Sequence[ImageSet],
    metrics: tuple[str, ...],
    stored: EarlierResults | None,
    progress: Callable[[int, int], None],
    protocol: str = PROTOCOL,
) -> tuple[list[Quality], list[str]]:
    """The measurements of ``files`` on ``sets``, with those that are ``stored``; and why files could not be used."""
    here, ids = {images.name for images in sets}, {file.config.id for file in files}
    qualities = [
        q
        for q in (stored.qualities() if stored else [])
        if q.config in ids and q.dataset in here and q.metric in metrics and math.isfinite(q.value)
    ]
    done = {(q.config, q.dataset, q.metric) for q in qualities}
    failed: list[str] = []
    total, measured = len(files) * len(sets), 0

    def one_more() -> None:
        nonlocal measured
        measured += 1
        progress(measured, total)

    progress(0, total)
    for result in evaluate_files(files, sets, metrics, done, one_more, protocol):
        qualities += result.qualities
        if stored is not None and result.qualities:
            stored.add(result.qualities)
        if result.error is not None:
            failed.append(result.error)
    return qualities, failed
