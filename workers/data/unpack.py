"""Images out of an archive, and nothing else: no paths that climb, no links, no bombs, all or nothing."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

from search_space.errors import BadData

IMAGE_SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".gif"})
MAX_BYTES = 20 * 2**30
MAX_FILES = 100_000


@dataclass(frozen=True)
class ArchiveEntry:
    """One regular file of an archive."""

    path: PurePosixPath
    size: int
    handle: zipfile.ZipInfo | tarfile.TarInfo


def unpack_images(archive: Path, folder: Path, include: str | None = None) -> int:
    """Write the archive's images flat into the empty ``folder`` and return how many there are.

    ``include`` is a shell pattern on the path inside the archive. Raises BadData for a file that is no
    zip or tar, a path that leaves the folder, a link to anywhere, two images of one name, more than
    20 GiB, or no image at all; the folder may then hold some of the images.
    """
    with _opened(archive) as (kind, entries):
        chosen = [m for m in entries if _wanted(m.path, include)]
        if not chosen:
            raise BadData(f"{archive.name} holds no image" + (f" matching {include!r}" if include else ""))
        _check(archive.name, chosen)
        for entry in chosen:
            with _reader(kind, entry) as source, (folder / entry.path.name).open("xb") as target:
                _copy(source, target, entry, archive.name)
    return len(chosen)


def _wanted(path: PurePosixPath, include: str | None) -> bool:
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or "__MACOSX" in path.parts:
        return False
    return include is None or fnmatch(str(path), include)


def _check(archive: str, chosen: list[ArchiveEntry]) -> None:
    seen: dict[str, ArchiveEntry] = {}
    for entry in chosen:
        other = seen.setdefault(entry.path.name.lower(), entry)
        if other is not entry:
            raise BadData(f"{archive} holds both {other.path} and {entry.path}: choose with --include PATTERN")
    if sum(m.size for m in chosen) > MAX_BYTES:
        raise BadData(f"{archive} unpacks to more than {MAX_BYTES >> 30} GiB")


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile | tarfile.TarFile, list[ArchiveEntry]]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                yield bundle, _zip_entries(bundle, archive.name)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tape:
                yield tape, _tar_entries(tape, archive.name)
        else:
            raise BadData(f"{archive.name} is neither a zip nor a tar archive")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadData(f"{archive.name} is damaged or not supported ({error})") from None
    except OSError as error:
        # gzip and lzma report damage as OSError without a number; the others are about the disk.
        raise BadData(f"{archive.name}: {error.strerror or f'damaged ({error})'}") from None


def _zip_entries(bundle: zipfile.ZipFile, archive: str) -> list[ArchiveEntry]:
    out = []
    for info in bundle.infolist():
        path = _safe(info.filename, archive)
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise BadData(f"{archive} holds a link ({info.filename}): refused")
        if not info.is_dir():
            out.append(ArchiveEntry(path, info.file_size, info))
    return _limited(out, archive)


def _tar_entries(tape: tarfile.TarFile, archive: str) -> list[ArchiveEntry]:
    out = []
    for info in tape:
        path = _safe(info.name, archive)
        if info.issym() or info.islnk() or info.isdev():
            raise BadData(f"{archive} holds a link or device ({info.name}): refused")
        if info.isfile():
            out.append(ArchiveEntry(path, info.size, info))
        _limited(out, archive)
    return out


def _limited(entries: list[ArchiveEntry], archive: str) -> list[ArchiveEntry]:
    if len(entries) > MAX_FILES:
        raise BadData(f"{archive} holds more than {MAX_FILES} files")
    return entries


def _safe(name: str, archive: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise BadData(f"{archive} holds a path that leaves its folder ({name!r}): refused")
    return path


def _reader(kind: zipfile.ZipFile | tarfile.TarFile, entry: ArchiveEntry) -> IO[bytes]:
    if isinstance(kind, zipfile.ZipFile):
        assert isinstance(entry.handle, zipfile.ZipInfo)
        return kind.open(entry.handle)
    assert isinstance(entry.handle, tarfile.TarInfo)
    source = kind.extractfile(entry.handle)
    assert source is not None
    return source


def _copy(source: IO[bytes], target: IO[bytes], entry: ArchiveEntry, archive: str) -> None:
    shutil.copyfileobj(source, target, 1 << 20)
    if target.tell() != entry.size:
        raise BadData(f"{archive}: {entry.path} has {target.tell()} bytes, not the {entry.size} it claims")
