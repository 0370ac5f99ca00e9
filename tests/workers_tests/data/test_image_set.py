"""Images of every kind and condition come in as uint8, or are named with the reason."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from search_space.errors import BadData
from workers.data.image_set import MAX_PIXELS, ImageSet, join, read_folder, read_image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (40, 50), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm"])
def test_a_lossless_rgb_file_of_any_format_gives_its_own_pixels(tmp_path, name):
    path = save(tmp_path / name, RGB, **({"lossless": True} if name.endswith("webp") else {}))
    assert np.array_equal(read_image(path), RGB)


def test_a_grey_image_stays_one_channel(tmp_path):
    assert np.array_equal(read_image(save(tmp_path / "g.png", GREY)), GREY)


def test_a_jpeg_is_read_as_rgb(tmp_path):
    assert read_image(save(tmp_path / "a.jpg", RGB)).shape == (40, 50, 3)


def test_a_palette_image_is_read_in_its_colours(tmp_path):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png"), np.asarray(image.convert("RGB")))


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.dstack([RGB, np.full((40, 50), 255, np.uint8)])
    rgba[:10, :10, 3] = 0
    pixels = read_image(save(tmp_path / "t.png", rgba))
    assert pixels.shape == (40, 50, 3)
    assert (pixels[:10, :10] == 255).all() and np.array_equal(pixels[20:], RGB[20:])


def test_a_grey_image_with_transparency_stays_grey(tmp_path):
    Image.fromarray(GREY).convert("LA").save(tmp_path / "la.png")
    assert np.array_equal(read_image(tmp_path / "la.png"), GREY)


def test_a_sixteen_bit_image_is_scaled_to_eight(tmp_path):
    save(tmp_path / "deep.png", GREY.astype(np.uint16) * 257)
    assert np.array_equal(read_image(tmp_path / "deep.png"), GREY)


def test_a_floating_point_image_in_zero_to_one_is_scaled(tmp_path):
    save(tmp_path / "f.tif", GREY.astype(np.float32) / 255)
    assert np.array_equal(read_image(tmp_path / "f.tif"), GREY)


def test_a_black_and_white_image_is_read_as_grey(tmp_path):
    Image.fromarray(GREY).convert("1").save(tmp_path / "bw.png")
    assert set(np.unique(read_image(tmp_path / "bw.png"))) == {0, 255}


def test_a_cmyk_jpeg_is_read_as_rgb(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg").shape == (40, 50, 3)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise
    save(tmp_path / "side.png", RGB, exif=exif)
    assert np.array_equal(read_image(tmp_path / "side.png"), np.rot90(RGB, -1))


def bad_files(folder: Path) -> None:
    save(folder / "a_good.png", RGB)
    data = (folder / "a_good.png").read_bytes()
    (folder / "b_truncated.png").write_bytes(data[: len(data) // 2])
    save(folder / "c_pixel.png", RGB[:1, :1])
    save(folder / "d_thin.png", RGB[:40, :23])
    (folder / "e_notes.txt").write_text("not an image")
    (folder / "f_empty.png").write_bytes(b"")
    (folder / "g_renamed.png").write_bytes(b"%PDF-1.7 and so on")
    (folder / ".hidden").write_text("left alone")
    (folder / "folder").mkdir()


def test_unusable_files_are_skipped_by_name_with_the_reason(tmp_path):
    bad_files(tmp_path)
    images, skipped = read_folder(tmp_path)
    assert images.names == ("a_good.png",)
    reasons = {s.name: s.reason for s in skipped}
    assert list(reasons) == [
        "b_truncated.png",
        "c_pixel.png",
        "d_thin.png",
        "e_notes.txt",
        "f_empty.png",
        "g_renamed.png",
    ]
    assert "truncated" in reasons["b_truncated.png"] or "damaged" in reasons["b_truncated.png"]
    assert reasons["c_pixel.png"].startswith("only 1 x 1 pixels")
    assert reasons["e_notes.txt"] == "not an image"
    assert all("\n" not in reason for reason in reasons.values())


def test_strict_refuses_a_folder_with_an_unusable_file(tmp_path):
    bad_files(tmp_path)
    with pytest.raises(BadData, match=r"b_truncated\.png: .*, and 5 more"):
        read_folder(tmp_path, strict=True)


def test_a_folder_without_a_usable_image_is_refused_with_the_first_reason(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(BadData, match=r"no usable image in .*x\.txt: not an image"):
        read_folder(tmp_path)


def test_an_empty_a_missing_and_a_file_for_a_folder_are_refused(tmp_path):
    with pytest.raises(BadData, match="no usable image"):
        read_folder(tmp_path)
    with pytest.raises(BadData, match="there is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(BadData, match="is not a folder"):
        read_folder(save(tmp_path / "a.png", RGB))


def test_a_small_file_that_claims_a_huge_image_is_not_decoded(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (11_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        with pytest.raises(BadData, match=f"limit {MAX_PIXELS // 10**6} million"):
            read_image(tmp_path / "bomb.png")


def test_images_come_in_the_order_of_their_names(tmp_path):
    for name in ("b.png", "a.png", "c.png"):
        save(tmp_path / name, RGB)
    assert read_folder(tmp_path)[0].names == ("a.png", "b.png", "c.png")


def test_a_set_is_named_after_its_folder(tmp_path):
    (tmp_path / "Set5").mkdir()
    save(tmp_path / "Set5" / "a.png", RGB)
    assert read_folder(tmp_path / "Set5" / ".")[0].name == "Set5"
    assert read_folder(tmp_path / "Set5", "other")[0].name == "other"


def test_the_digest_tells_content_not_names_or_format(tmp_path):
    for folder, name in (("one", "a.png"), ("two", "z.bmp")):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / name, RGB)
    one, two = read_folder(tmp_path / "one")[0], read_folder(tmp_path / "two")[0]
    changed = RGB.copy()
    changed[0, 0, 0] ^= 1
    assert one.digest == two.digest
    assert one.digest != ImageSet("one", ("a.png",), (changed,)).digest
    assert (
        ImageSet("x", ("a",), (np.zeros((2, 8), np.uint8),)).digest
        != ImageSet("x", ("a",), (np.zeros((4, 4), np.uint8),)).digest
    )


def test_a_set_without_images_cannot_be_made():
    with pytest.raises(BadData, match="no images"):
        ImageSet("none", (), ())


def test_joined_sets_keep_their_order_and_say_where_an_image_is_from():
    joined = join("both", [ImageSet("a", ("x",), (GREY,)), ImageSet("b", ("x", "y"), (RGB, GREY))])
    assert joined.names == ("a/x", "b/x", "b/y") and len(joined) == 3


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(RGB[:24, :24]).save(out, "PNG")
    return out.getvalue()


PNG = png()
GIF = b"GIF89a" + struct.pack("<HHBBB", 30, 30, 0x80, 0, 0) + bytes(6) + b","


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=400),
    keep=st.integers(0, len(PNG)),
    at=st.integers(0, len(PNG) - 1),
    bits=st.integers(0, 255),
)
@example(data=GIF, keep=0, at=0, bits=0)
def test_any_bytes_are_an_image_or_bad_data_and_nothing_else(tmp_path, data, keep, at, bits):
    flipped = bytearray(PNG)
    flipped[at] ^= bits
    for body in (data, PNG[:keep] + data, bytes(flipped), b"BM" + data, b"II*\x00" + data, b"P6 24 24 255 " + data):
        (tmp_path / "fuzz").write_bytes(body)
        try:
            pixels = read_image(tmp_path / "fuzz")
        except BadData as error:
            assert "\n" not in str(error)
        else:
            assert pixels.dtype == np.uint8 and min(pixels.shape[:2]) >= 24
