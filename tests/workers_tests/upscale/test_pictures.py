"""What a picture says about itself comes back with the enlarged one."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image, ImageCms, ImageSequence
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from sweep.cli.main import app

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:li>Ascot \xc3\xa9</rdf:li></x:xmpmeta>'


def upscale(*paths: Path, out: Path, more: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(app, ["upscale", *map(str, paths), "-o", str(out), "-m", "Bicubic_s2", *more])


def noise(height: int = 24, width: int = 32, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@cache
def swapped_profile() -> bytes:
    """sRGB with red and green exchanged: without it a viewer shows other colours. It holds the second it was made."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place in range(132, 132 + 12 * struct.unpack(">I", data[128:132])[0], 12):
        name = bytes(data[place : place + 4])
        data[place : place + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


def opened(path: Path) -> Any:
    image = Image.open(path)
    image.load()
    return image


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tif", "avif"])
def test_profile_exif_xmp_and_resolution_come_back(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation] = "Ascot", 6
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2026:11:25 10:00:00"
    exif.get_ifd(IFD.Exif)[Base.ExifImageWidth] = 32
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    options: dict[str, Any] = {"icc_profile": swapped_profile(), "exif": exif, "dpi": (300, 300)}
    if form == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info.add_text("Author", "someone")
        options["pnginfo"] = info
    elif form == "tif":
        whole = Image.Exif()  # Pillow writes the inner directories of an EXIF that was read, not of one just made
        whole.load(exif.tobytes())
        whole[700] = XMP
        options["exif"] = whole
    else:
        options["xmp"] = XMP
    source = tmp_path / f"a.{form}"
    noise().save(source, **options)
    assert upscale(source, out=tmp_path / "out").exit_code == 0
    image = opened(tmp_path / "out" / "a_x2.png")
    # AVIF keeps the turn in the picture itself.
    assert image.size == (48, 64)
    assert image.info["icc_profile"] == swapped_profile()
    assert image.info["xmp"] == XMP
    found = image.getexif()
    assert found[Base.Make] == "Ascot"
    assert Base.Orientation not in found
    assert found.get_ifd(IFD.Exif)[Base.DateTimeOriginal] == "2026:11:25 10:00:00"
    assert found.get_ifd(IFD.Exif)[Base.ExifImageWidth] == 48
    assert found.get_ifd(IFD.GPSInfo)[1] == "N"
    if form in ("png", "jpg", "tif"):
        assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
    if form == "png":
        assert image.text["Author"] == "someone"


def test_chunks_that_say_how_a_png_is_shown_come_back(tmp_path: Path) -> None:
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100000))
    info.add(b"cICP", bytes([9, 16, 0, 1]))
    noise().save(tmp_path / "a.png", pnginfo=info)
    assert upscale(tmp_path / "a.png", out=tmp_path / "out").exit_code == 0
    data = (tmp_path / "out" / "a_x2.png").read_bytes()
    assert opened(tmp_path / "out" / "a_x2.png").info["gamma"] == 1.0
    chunk = b"cICP" + bytes([9, 16, 0, 1])
    assert chunk + struct.pack(">I", zlib.crc32(chunk)) in data[: data.index(b"IDAT")]


def test_a_grey_picture_with_a_profile_of_colours_keeps_it(tmp_path: Path) -> None:
    noise().convert("L").save(tmp_path / "a.jpg", icc_profile=swapped_profile())
    assert upscale(tmp_path / "a.jpg", out=tmp_path).exit_code == 0
    image = opened(tmp_path / "a_x2.png")
    assert (image.mode, image.info["icc_profile"]) == ("RGB", swapped_profile())


def test_cmyk_becomes_rgb_and_that_is_said_once(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        noise().convert("CMYK").save(tmp_path / name)
    done = upscale(tmp_path, out=tmp_path / "out")
    assert done.exit_code == 0
    assert done.stderr.count("a.jpg: CMYK becomes RGB without a profile") == 1
    assert "the same of 2 more: CMYK becomes RGB" in done.stderr
    assert opened(tmp_path / "out" / "a_x2.png").mode == "RGB"


def test_lab_is_shown_as_it_was(tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    colour = Image.new("RGB", (32, 32), (180, 60, 90))
    made = ImageCms.profileToProfile(colour, srgb, lab, outputMode="LAB")
    assert made is not None
    made.save(tmp_path / "a.tif")
    assert upscale(tmp_path / "a.tif", out=tmp_path).exit_code == 0
    assert np.abs(np.asarray(opened(tmp_path / "a_x2.png"))[20, 20].astype(int) - (180, 60, 90)).max() <= 3


def deep_png(path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(16 * 6) for _ in range(16))
    head = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def test_sixteen_bits_that_are_lost_are_said(tmp_path: Path) -> None:
    deep_png(tmp_path / "a.png")
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160).save(tmp_path / "b.tif")
    noise().save(tmp_path / "c.png")
    for name, told in (("a.png", True), ("b.tif", True), ("c.png", False)):
        done = upscale(tmp_path / name, out=tmp_path / "out")
        assert done.exit_code == 0
        assert ("16 or more bits per sample become 8" in done.stderr) is told


@pytest.mark.parametrize(("form", "options"), [("gif", {}), ("webp", {"lossless": True}), ("png", {}), ("avif", {})])
def test_an_animation_comes_back_whole_with_its_times(tmp_path: Path, form: str, options: dict[str, Any]) -> None:
    frames = [Image.new("RGB", (32, 24), (60 * i, 200 - 60 * i, 30)) for i in range(4)]
    times = [100, 200, 50, 300]
    source = tmp_path / f"a.{form}"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=times, loop=0, **options)
    assert upscale(source, out=tmp_path / "out").exit_code == 0
    with Image.open(tmp_path / "out" / "a_x2.png") as image:
        assert image.n_frames == 4
        assert image.info["loop"] == 0
        shown = [(f.info["duration"], f.convert("RGB").size, f.convert("RGB").getpixel((30, 20)))
                 for f in ImageSequence.Iterator(image)]  # fmt: skip
    assert [int(duration) for duration, _, _ in shown] == times
    assert all(size == (64, 48) for _, size, _ in shown)
    for (_, _, pixel), frame in zip(shown, frames, strict=True):
        assert np.abs(np.subtract(pixel, frame.getpixel((5, 5)))).max() <= 4


def test_a_gif_shown_once_with_clear_parts_is_shown_once_and_clear(tmp_path: Path) -> None:
    frames = []
    for place in (4, 16):
        frame = Image.new("RGBA", (32, 24), (0, 0, 0, 0))
        frame.paste((220, 40, 40, 255), (place, 4, place + 10, 20))
        frames.append(frame)
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    assert upscale(tmp_path / "a.gif", out=tmp_path).exit_code == 0
    with Image.open(tmp_path / "a_x2.png") as image:
        assert image.info["loop"] == 1
        masks = [np.asarray(f.convert("RGBA"))[..., 3] for f in ImageSequence.Iterator(image)]
    assert masks[0][24, 18] == masks[1][24, 44] == 255
    assert masks[0][24, 60] == masks[1][24, 12] == 0


def test_the_pages_of_a_tiff_come_back_as_pages(tmp_path: Path) -> None:
    pages = [noise(24, 32), noise(20, 40, 1), noise(30, 30, 2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], icc_profile=swapped_profile())
    assert upscale(tmp_path / "a.tif", out=tmp_path / "out").exit_code == 0
    with Image.open(tmp_path / "out" / "a_x2.tif") as image:
        assert [page.size for page in ImageSequence.Iterator(image)] == [(64, 48), (80, 40), (60, 60)]
        assert image.info["icc_profile"] == swapped_profile()


def test_of_several_views_the_first_is_enlarged_and_the_rest_named(tmp_path: Path) -> None:
    noise().save(tmp_path / "a.mpo", save_all=True, append_images=[noise(seed=1)])
    done = upscale(tmp_path, out=tmp_path / "out")
    assert done.exit_code == 1
    assert "a.mpo: only the first of its 2 pictures is enlarged" in done.stderr
    assert (tmp_path / "out" / "a_x2.png").is_file()


def test_a_page_that_is_a_small_copy_is_no_page(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    from PIL.TiffImagePlugin import AppendingTiffWriter

    with AppendingTiffWriter(buffer) as writer:
        noise().save(writer, "TIFF")
        writer.newFrame()
        noise(12, 16).save(writer, "TIFF", tiffinfo={254: 1})
        writer.newFrame()
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    done = upscale(tmp_path / "a.tif", out=tmp_path / "out")
    assert done.exit_code == 0
    assert "1 smaller copy of a page in it left out" in done.stderr
    assert opened(tmp_path / "out" / "a_x2.png").size == (64, 48)
