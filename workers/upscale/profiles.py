"""Pixels and colour profile of a picture in a form that the enlarged copy can hold."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from search_space.errors import first_line

if TYPE_CHECKING:
    from PIL import Image

GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "F")


def shown(image: Image.Image) -> tuple[Image.Image, bytes | None, tuple[str, ...]]:
    """The picture in grey or RGB, the profile that its values are in, and what was changed, one line each.

    RGB values stay as they are, with their profile. CMYK and Lab values, which a PNG cannot hold, become sRGB.
    """
    profile = image.info.get("icc_profile")
    if image.mode in ("CMYK", "LAB"):
        return _to_srgb(image, profile)
    space = profile[16:20] if profile else b""
    if space == b"RGB " and image.mode in ("1", "L", "LA", "La"):
        # A profile of colours on a grey picture: PNG wants three channels for it.
        return image.convert("RGBA" if image.mode in ("LA", "La") else "RGB"), profile, ()
    fits = space == (b"GRAY" if image.mode in GREY_MODES else b"RGB ")
    if profile and not fits:
        return image, None, (f"its colour profile ({_name(space)}) is not of its kind of pixels and is left out",)
    return image, profile, ()


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None, tuple[str, ...]]:
    from PIL import ImageCms

    said = f"{image.mode} becomes RGB"
    if profile is None and image.mode == "CMYK":
        return image.convert("RGB"), None, (f"{said} without a profile",)
    try:
        start = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        made = ImageCms.profileToProfile(image, start, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert made is not None
    except (ImageCms.PyCMSError, OSError) as error:
        unused = f"{said}, its damaged colour profile unused ({first_line(error, 60)})"
        return image.convert("RGB"), None, (unused,)
    return made, None, (f"{said} (sRGB, by its profile)",)


def _name(space: bytes) -> str:
    return space.decode("ascii", "replace").strip() or "unreadable"
