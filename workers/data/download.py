"""Download an image set: resumed where it broke off, checked by SHA-256, unpacked safely, put in place in one move."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.atomic import replaced
from search_space.errors import BadData
from workers.data.sources import ImageSetSource
from workers.data.unpack import unpack_images

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, bytes in all or None)."""

DOWNLOADS = ".downloads"
TIMEOUT_S = 30.0
CHUNK = 1 << 18


@dataclass(frozen=True)
class Fetched:
    """What a fetch left behind."""

    name: str
    folder: Path
    images: int
    sha256: str
    """Of the archive as it came; note it down where ``verified`` is False."""
    verified: bool


def fetch(
    source: ImageSetSource, root: str | Path, *, verify: bool = True, progress: Progress | None = None
) -> Fetched | None:
    """Put the images of ``source`` into ``root / source.name``; None when that folder has files already.

    The archive is kept in ``root/.downloads`` until it is unpacked, so a second call goes on where a
    broken one stopped (HTTP Range, only if the server's file is still the same). Nothing appears under
    the set's name unless all of it is there.

    Raises BadData: no checksum known and ``verify`` left on, the server's refusal, another checksum, an
    unsafe or damaged archive, a folder that cannot be written.
    """
    if verify and source.sha256 is None:
        raise BadData(
            f"{source.name}: no trustworthy SHA-256 of {source.url} is known: "
            "give --sha256 HEX, or --no-verify to take what comes"
        )
    target = Path(root) / source.name
    try:
        if target.is_dir() and any(target.iterdir()):
            return None
        downloads = Path(root) / DOWNLOADS
        downloads.mkdir(parents=True, exist_ok=True)
        archive = _download(source, downloads, source.sha256 if verify else None, progress)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        partial = Path(tempfile.mkdtemp(prefix=f".{source.name}-", dir=root))
        try:
            images = unpack_images(archive, partial, source.include)
            if source.images is not None and images != source.images:
                raise BadData(f"{source.name} should have {source.images} images, the archive has {images}")
            partial.chmod(0o755)
            partial.replace(target)  # an empty folder of that name is replaced too
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        archive.unlink()
    except OSError as error:
        raise BadData(f"cannot write {error.filename or root}: {error.strerror or error}") from None
    return Fetched(source.name, target, images, digest, verify)


def _download(source: ImageSetSource, folder: Path, sha256: str | None, progress: Progress | None) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    name = f"{source.name}-{hashlib.sha256(source.url.encode()).hexdigest()[:8]}"
    resume = Resume(folder / f"{name}.part", progress, sha256)
    try:
        path = pooch.retrieve(
            source.url,
            known_hash=f"sha256:{sha256.lower()}" if sha256 else None,
            fname=name,
            path=folder,
            downloader=resume,
        )
    except requests.HTTPError as error:
        answer = f"{error.response.status_code} {error.response.reason}" if error.response is not None else str(error)
        raise BadData(f"{source.name}: {source.url} answered {answer}") from None
    except requests.RequestException as error:
        raise BadData(f"{source.name}: {source.url} cannot be reached ({_reason(error)}); run again to go on") from None
    except ValueError as error:
        resume.forget()
        if "hash" in str(error).lower():
            raise BadData(f"{source.name}: {source.url} has another SHA-256 than {sha256}: not used") from None
        raise BadData(f"{source.name}: {source.url}: {_reason(error)}") from None
    return Path(path)


class Resume:
    """A downloader for pooch that keeps what it has in a ``.part`` file and asks only for the rest.

    Bytes are kept as they come, also where the server calls a .gz file an encoding (as curl and wget do). Only where
    the checksum wanted is that of what lies inside the encoding, it is taken off.
    """

    def __init__(self, part: Path, progress: Progress | None = None, sha256: str | None = None) -> None:
        self.part, self.sha256 = part, sha256
        self.note = part.with_suffix(".json")
        self.progress = progress

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: Any) -> None:
        """Fetch ``url`` into ``output_file``; raises requests' errors, leaving the part for the next time."""
        import requests

        have, validator = self._kept(url)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code == 416:  # the part is complete, or the file has shrunk: the hash decides
                self.forget()
                return self(url, output_file, pooch)
            response.raise_for_status()
            have = have if response.status_code == 206 else 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length and length.isdigit() else None
            self._remember(url, response.headers)
            with self.part.open("ab" if have else "wb") as file:
                for chunk in _as_it_comes(response):
                    file.write(chunk)
                    have += len(chunk)
                    if self.progress is not None:
                        self.progress(have, total)
        if total is not None and have != total:
            raise requests.ConnectionError(f"the connection broke after {have} of {total} bytes")
        self.note.unlink(missing_ok=True)
        if "gzip" in response.headers.get("Content-Encoding", ""):
            _take_off(self.part, self.sha256)
        self.part.replace(output_file)
        return None

    def forget(self) -> None:
        """Start over the next time."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _kept(self, url: str) -> tuple[int, str]:
        """Bytes that are there and what proves that the server still has the same file; nothing without proof."""
        try:
            note = json.loads(self.note.read_text())
            if note["url"] == url and note["validator"]:
                return self.part.stat().st_size, str(note["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, ""

    def _remember(self, url: str, headers: Any) -> None:
        etag = headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        self.note.write_text(json.dumps({"url": url, "validator": validator}))


def _as_it_comes(response: Any) -> Iterator[bytes]:
    """The body's bytes, no encoding undone. Raises requests' errors."""
    import requests
    import urllib3

    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from None


def _take_off(path: Path, sha256: str | None) -> None:
    """Undo gzip in place when ``sha256`` is that of what is inside, and not of the file itself."""
    with path.open("rb") as file:
        if sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower():
            return
    try:
        with gzip.open(path) as inside:
            if hashlib.file_digest(inside, "sha256").hexdigest() != sha256.lower():
                return
        with gzip.open(path) as inside, replaced(path) as plain, plain.open("wb") as out:
            shutil.copyfileobj(inside, out)
    except (OSError, EOFError, zlib.error):
        return


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:160] + "..."
