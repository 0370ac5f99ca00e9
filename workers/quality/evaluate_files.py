"""Measure weights files, one or a folder of hundreds, on test sets that are prepared once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadConfig, BadData, BadWeights, SweepError
from search_space.facts import Quality
from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, Skipped, read_folder
from workers.quality import protocol
from workers.training import weights

Key = tuple[str, str, str]
"""(config, dataset, metric): one measurement under one protocol."""


@dataclass(frozen=True)
class WeightsFile:
    """A file and the config it is said to be of."""

    config: Config
    path: Path


@dataclass(frozen=True)
class Evaluated:
    """The measurements of one file, or why there are none."""

    file: WeightsFile
    qualities: tuple[Quality, ...] = ()
    error: str | None = None


def find_weights(folder: str | Path) -> tuple[tuple[WeightsFile, ...], tuple[Skipped, ...]]:
    """Files of a folder that are named after a config id (``.model .pt .pth .safetensors``), and those that are not.

    Sorted by scale, so that test images are prepared once. Raises BadWeights when the folder is not there,
    holds none, or holds two files of one id.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadWeights(f"there is no folder of weights {root}")
    by_id: dict[str, WeightsFile] = {}
    skipped = []
    for path in sorted(p for p in root.iterdir() if p.suffix in weights.SUFFIXES and p.is_file()):
        try:
            config = parse_id(path.stem)
        except BadConfig as error:
            skipped.append(Skipped(path.name, str(error)))
            continue
        if config.id in by_id:
            raise BadWeights(f"{root} holds two files of {config.id}: {by_id[config.id].path.name} and {path.name}")
        by_id[config.id] = WeightsFile(config, path)
    if not by_id:
        raise BadWeights(f"{root} holds no weights named after a config id ({', '.join(weights.SUFFIXES)})")
    return tuple(sorted(by_id.values(), key=lambda f: (f.config.scale, f.path.name))), tuple(skipped)


def read_sets(folders: Sequence[str], strict: bool = False) -> tuple[tuple[ImageSet, ...], tuple[Skipped, ...]]:
    """The test sets in ``folders`` (or ``embedded-test``), named after the folders, and the files left out.

    Raises BadData for a folder that cannot be used and for two of the same name.
    """
    sets: dict[str, ImageSet] = {}
    skipped: list[Skipped] = []
    for folder in folders:
        images, left = (embedded(folder), []) if folder.startswith("embedded-") else read_folder(folder, strict=strict)
        if images.name in sets:
            raise BadData(f"two test sets are called {images.name!r}: rename one folder")
        sets[images.name] = images
        skipped += [Skipped(f"{images.name}/{s.name}", s.reason) for s in left]
    return tuple(sets.values()), tuple(skipped)


def evaluate_files(
    files: Sequence[WeightsFile],
    sets: Sequence[ImageSet],
    metrics: Sequence[str] = ("psnr", "ssim"),
    done: Collection[Key] = (),
    progress: Callable[[], None] | None = None,
    by: str = protocol.PROTOCOL,
) -> Iterator[Evaluated]:
    """Every measurement of ``files`` ``by`` a protocol that is not ``done``, file by file.

    An unusable file yields the reason.
    ``progress`` is called once per file and set, done or not. Raises BadData or MissingExtra for a metric.
    """
    protocol.require_metrics(metrics)
    for file in files:
        yield _evaluate_file(file, sets, metrics, done, progress or (lambda: None), by)


def _evaluate_file(
    file: WeightsFile,
    sets: Sequence[ImageSet],
    metrics: Sequence[str],
    done: Collection[Key],
    progress: Callable[[], None],
    by: str,
) -> Evaluated:
    module = None
    out: list[Quality] = []
    try:
        for images in sets:
            wanted = [metric for metric in metrics if (file.config.id, images.name, metric) not in done]
            if wanted:
                module = module or weights.load(file.config, file.path)
                out += protocol.evaluate(file.config, module, images, wanted, protocol=by)
            progress()
    except SweepError as error:
        return Evaluated(file, tuple(out), str(error))
    return Evaluated(file, tuple(out))
