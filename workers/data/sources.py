"""The list of downloadable image sets: built in, a user's own file, and what the command line overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from search_space.errors import BadData

BUILT_IN = Path(__file__).with_name("sources.yaml")


@dataclass(frozen=True)
class ImageSetSource:
    """One image set on the network: an archive of images."""

    name: str
    url: str
    sha256: str | None = None
    """64 hex digits of the archive, or None where no trustworthy digest is known."""
    include: str | None = None
    """A shell pattern on paths inside the archive; None takes every image."""
    images: int | None = None
    """How many images the set has, to notice an archive of something else."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", self.name):
            raise BadData(f"{self.name!r} cannot be the name of an image set (letters, digits, . _ + -)")
        if not isinstance(self.url, str) or urlsplit(self.url).scheme not in ("http", "https"):
            raise BadData(f"{self.name}: {self.url!r} is not an http(s) URL")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", str(self.sha256)):
            raise BadData(f"{self.name}: a SHA-256 has 64 hex digits, {str(self.sha256)[:80]!r} has not")


def read_sources(extra: str | Path | None = None) -> dict[str, ImageSetSource]:
    """The built-in list, with the entries of a YAML or JSON file over it; raises BadData naming the bad entry."""
    entries = _entries(BUILT_IN)
    if extra is not None:
        entries |= _entries(Path(extra))
    return {name: _source(name, entry) for name, entry in entries.items()}


def _entries(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except OSError as error:
        raise BadData(f"cannot read the list of image sets {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadData(f"{path} is not YAML or JSON: {' '.join(str(error).split())[:160]}") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise BadData(f"{path} must map the names of image sets to their url, sha256, include")
    return dict(document)


def _source(name: str, entry: Any) -> ImageSetSource:
    keys = {f.name for f in fields(ImageSetSource)} - {"name"}
    if not isinstance(entry, Mapping) or "url" not in entry:
        raise BadData(f"image set {name}: needs a url")
    surplus = set(entry) - keys
    if surplus:
        raise BadData(
            f"image set {name}: unknown key {sorted(map(str, surplus))[0]} (known: {', '.join(sorted(keys))})"
        )
    return ImageSetSource(name, **entry)
