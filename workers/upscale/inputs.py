"""What a file is, by its content: a picture, a video, or neither and why."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from search_space.errors import BadData, MissingExtra
from workers.data.image_set import Skipped, formats

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv")
"""A file with such an ending that is no picture is taken for a video, damaged or not."""
NOT_VIDEOS = ("tty", "image2", "lrc")
"""Demuxers of FFmpeg that take nearly anything."""
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
NO_VIDEO_EXTRA = "video needs PyAV: pip install 'edge-sweep[video]'"


class Kind(StrEnum):
    """How a file is enlarged."""

    PICTURE = "picture"
    VIDEO = "video"


@dataclass(frozen=True)
class Input:
    """A file to enlarge."""

    path: Path
    kind: Kind


def find(paths: Iterable[Path]) -> tuple[list[Input], list[Skipped]]:
    """The files among ``paths`` and directly in the folders among them, and what of a folder cannot be enlarged.

    Hidden files are not looked at. A path given by itself is never left out here: reading it says what is wrong.
    Raises BadData for a path that is not there and for a folder with nothing in it to enlarge.
    """
    found: list[Input] = []
    skipped: list[Skipped] = []
    for path in paths:
        if path.is_dir():
            inside, left = _in_folder(path)
            if not inside:
                first = f" ({left[0].name}: {left[0].reason})" if left else ""
                raise BadData(f"{path} holds no image and no video{first}")
            found += inside
            skipped += left
        elif path.is_file():
            kind = Kind.VIDEO if path.suffix.lower() in VIDEO_SUFFIXES else Kind.PICTURE
            with suppress(BadData):
                kind = kind_of(path)
            found.append(Input(path, kind))
        else:
            raise BadData(f"there is no file or folder {path}")
    return found, skipped


def _in_folder(folder: Path) -> tuple[list[Input], list[Skipped]]:
    found: list[Input] = []
    skipped: list[Skipped] = []
    try:
        names = sorted(f for f in folder.iterdir() if not f.name.startswith("."))
    except OSError as error:
        raise BadData(f"cannot read folder {folder}: {error.strerror}") from None
    for file in names:
        try:
            found.append(Input(file, kind_of(file)))
        except (BadData, MissingExtra) as error:
            skipped.append(Skipped(str(file), str(error)))
    return found, skipped


def kind_of(path: Path) -> Kind:
    """Raises BadData with the reason when the file is neither, MissingExtra when PyAV is wanted to tell."""
    if path.is_dir():
        raise BadData("a folder in a folder: give it by itself")
    if not path.is_file():
        raise BadData("not a regular file" if path.exists() else "a link that leads nowhere")
    if _is_picture(path):
        return Kind.PICTURE
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return Kind.VIDEO
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        raise BadData("empty")
    if head[4:8] == b"ftyp" and head[8:12] in HEIF:
        raise BadData("a HEIF or AVIF picture that this Pillow cannot read: save it as PNG or JPEG")
    if find_spec("av") is None:
        raise MissingExtra(f"not a picture ({NO_VIDEO_EXTRA})")
    return _probed(path)


def _is_picture(path: Path) -> bool:
    from PIL import Image

    try:
        # Pillow knows the first bytes of an MPEG stream, and can do nothing with it.
        with Image.open(path, formats=[name for name in formats() if name != "MPEG"]):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # Pillow's openers raise nearly anything on foreign bytes
        return False


def _probed(path: Path) -> Kind:
    import av

    try:
        with av.open(str(path)) as reader:
            form = reader.format.name
            if form in NOT_VIDEOS or form.endswith("_pipe"):
                raise BadData("neither a picture nor a video")
            if any(not is_cover(stream) for stream in reader.streams.video):
                return Kind.VIDEO
            raise BadData("sound without pictures" if reader.streams.audio else "holds no video")
    except av.error.FFmpegError:
        raise BadData("neither a picture nor a video") from None


def is_cover(stream: object) -> bool:
    """Whether a stream of PyAV is a picture attached to a film or a song."""
    from av.stream import Disposition

    return bool(getattr(stream, "disposition", 0) & (Disposition.attached_pic | Disposition.timed_thumbnails))
