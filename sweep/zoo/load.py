"""A zoo, from a folder or the web, kept in a store: every command then takes it as a sweep that was trained there."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from search_space.errors import BadData, first_line
from sweep.zoo import document, weights
from sweep.zoo.document import FACTS, MANIFEST, WEIGHTS, Zoo

if TYPE_CHECKING:
    from results_db.store import Store

MOST_BYTES = 2**30
"""Largest zoo that is read, and most that its facts may unpack to."""
MOST_MANIFEST_BYTES = 2**22
OWNER = "zoo import"
LEASE_S = 600.0


@dataclass(frozen=True)
class Listed:
    """What a manifest says about a file."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Loaded:
    """What an import put into the store."""

    sweep: str
    networks: int
    new: int
    """Trials that the store did not have."""
    speeds: int


def load_into(store: Store, source: str | Path) -> Loaded:
    """Keep the zoo in ``source``, a folder or an http(s) address of one; a second time changes nothing.

    Raises BadData when a file is missing, damaged or not a zoo, StoreError when the store has a sweep of that name
    that was made for something else.
    """
    with local(str(source)) as folder:
        return keep(store, read(folder))


def read(folder: Path) -> Zoo:
    """The zoo in a folder, each file checked against its SHA-256. Raises BadData."""
    manifest = _manifest(folder)
    contents = {name: _checked(folder, name, known) for name, known in manifest.items()}
    if FACTS not in contents:
        raise BadData(f"{folder / MANIFEST} names no {FACTS}")
    packed = [(name, data) for name, data in contents.items() if name.startswith(f"{WEIGHTS}/")]
    networks = {label: data for name, content in packed for label, data in weights.unpack(content, name).items()}
    try:
        return document.from_bytes(contents[FACTS], networks, MOST_BYTES)
    except BadData as error:
        raise BadData(f"{folder / FACTS}: {error}") from None


def keep(store: Store, zoo: Zoo) -> Loaded:
    """Put the sweep, its trials with their weights, and the speeds into the store."""
    facts = zoo.sweep
    sweep = store.create_sweep(facts.name, facts.space, facts.recipe_json, facts.git, settings=facts.settings)
    results = dict(zoo.trials)
    store.plan(sweep, results)
    claims = store.claim([row.id for row in store.missing(sweep) if row.key in results], OWNER, LEASE_S)
    recorded = store.record(replace(results[claim.key], trial=claim.trial, attempt=claim.attempt) for claim in claims)
    added = store.add_speeds(zoo.speeds)
    return Loaded(facts.name, len(results), len(recorded.accepted), added.new)


@contextmanager
def local(source: str) -> Iterator[Path]:
    """The folder of a zoo; one on the web is fetched into a temporary folder first."""
    if not source.startswith(("http://", "https://")):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="edge-sweep-zoo-") as folder:
        _fetch(source.rstrip("/") + "/", Path(folder))
        yield Path(folder)


def _fetch(address: str, folder: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    web = pooch.HTTPDownloader(timeout=30)
    try:
        pooch.retrieve(address + MANIFEST, known_hash=None, fname=MANIFEST, path=folder, downloader=web)
        registry = {name: f"sha256:{known.sha256}" for name, known in _manifest(folder).items()}
        files = pooch.create(path=folder, base_url=address, registry=registry, retry_if_failed=2)
        for name in registry:
            files.fetch(name, downloader=web)
    except requests.RequestException as error:
        raise BadData(f"{address} cannot be read ({first_line(error, 160)})") from None
    except ValueError as error:
        raise BadData(
            f"{address}: a file has another SHA-256 than its manifest says ({first_line(error, 160)})"
        ) from None


def _manifest(folder: Path) -> Mapping[str, Listed]:
    """The files of a zoo by their names, which lie inside of its folder. Raises BadData."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MOST_MANIFEST_BYTES:
            raise BadData(f"{path} is too large to be a zoo's")
        found = json.loads(path.read_bytes())
        if found["format"] > document.FORMAT:
            raise BadData(f"{path}: format {found['format']} is newer than this version reads ({document.FORMAT})")
        files = {str(name): Listed(str(k["sha256"]), int(k["bytes"])) for name, k in found["files"].items()}
    except FileNotFoundError:
        raise BadData(f"{folder} is no zoo: it has no {MANIFEST}") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(f"{path} is damaged ({type(error).__name__}: {first_line(error, 120)})") from None
    for name in files:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name:
            raise BadData(f"{path} names a file outside of its folder: {name}")
    if sum(known.size for known in files.values()) > MOST_BYTES:
        raise BadData(f"{path}: larger than {MOST_BYTES >> 20} MiB")
    return files


def _checked(folder: Path, name: str, known: Listed) -> bytes:
    path = folder / name
    try:
        if path.stat().st_size != known.size:
            raise BadData(f"{path} has {path.stat().st_size} bytes, its manifest says {known.size}")
        data = path.read_bytes()
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != known.sha256:
        raise BadData(f"{path} has another SHA-256 than its manifest says: fetch it again")
    return data
