"""What a folder holds is told by content; a result keeps to the file it was made of."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from search_space.errors import BadData
from sweep.cli.main import app
from workers.upscale.inputs import Kind, find, kind_of


def upscale(*paths: Path, out: Path, more: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(app, ["upscale", *map(str, paths), "-o", str(out), "-m", "Bicubic_s2", *more])


def picture(path: Path, grey: int, form: str | None = None) -> None:
    Image.new("RGB", (32, 32), (grey, grey, grey)).save(path, form)


def grey_of(path: Path) -> int:
    with Image.open(path) as image:
        return int(np.asarray(image)[16, 16, 0])


@pytest.mark.parametrize(("name", "form"), [("a.jfif", "JPEG"), ("a.avif", "AVIF"), ("a.dat", "PNG"), ("a.mp4", "PNG")])
def test_a_picture_is_told_by_its_content(tmp_path: Path, name: str, form: str) -> None:
    picture(tmp_path / name, 90, form)
    assert kind_of(tmp_path / name) == Kind.PICTURE
    assert upscale(tmp_path, out=tmp_path / "out").exit_code == 0
    assert abs(grey_of(tmp_path / "out" / "a_x2.png") - 90) <= 3


@pytest.mark.parametrize("form", ["asf", "mpegts", "flv"])
def test_a_video_is_told_by_its_content(tmp_path: Path, form: str) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.bin"
    with av.open(str(path), "w", format=form) as writer:
        stream = writer.add_stream("mpeg2video" if form == "mpegts" else "flv" if form == "flv" else "wmv2", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")))
        writer.mux(stream.encode(None))
    assert kind_of(path) == Kind.VIDEO
    assert upscale(tmp_path, out=tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "clip_x2.mkv").is_file()


def test_what_is_left_out_of_a_folder_is_named_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    picture(folder / "a.png", 90)
    (folder / "notes.txt").write_text("words\n" * 50)
    (folder / "empty").write_bytes(b"")
    (folder / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / ".hidden").write_text("x")
    done = upscale(folder, out=tmp_path / "out")
    assert done.exit_code == 1
    for name, reason in (
        ("notes.txt", "neither a picture nor a video"), ("empty", "empty"), ("photo.heic", "HEIF"),
        ("gone.png", "leads nowhere"), ("sub", "a folder in a folder"),
    ):  # fmt: skip
        line = next(line for line in done.stderr.splitlines() if f"/{name}:" in line)
        assert reason in line
    assert ".hidden" not in done.stderr
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["a_x2.png"]


def test_sound_is_no_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(BadData, match="sound without pictures"):
        kind_of(tmp_path / "a.wav")


def test_a_folder_with_nothing_to_enlarge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(BadData, match=r"holds no image and no video \(.*a.txt: neither"):
        find([tmp_path])


def test_a_second_run_over_a_finished_folder_is_one_line_and_no_error(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "b.webp"):
        picture(folder / name, 90)
    assert upscale(folder, out=out).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = upscale(folder, out=out)
    assert again.exit_code == 0
    assert again.stderr.splitlines() == ["3 results were there already (--overwrite makes them anew)"]
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert upscale(folder, out=out, more=("--overwrite",)).exit_code == 0
    after = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert after.keys() == before.keys()
    assert all(after[path] > before[path] for path in before)


def greys(out: Path) -> list[int]:
    return sorted(round(grey_of(path) / 40) * 40 for path in out.iterdir())


@pytest.mark.parametrize("first", ["a.jpg", "a.png"])
def test_a_file_added_later_never_takes_the_result_of_one_with_its_stem(tmp_path: Path, first: str) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shades = {"a.png": 40, "a.jpg": 120, "a.bmp": 200}
    picture(folder / first, shades[first])
    assert upscale(folder, out=out).exit_code == 0
    made = out / "a_x2.png"
    before = made.read_bytes()
    for name, shade in shades.items():
        if name != first:
            picture(folder / name, shade)
    assert upscale(folder, out=out).exit_code == 0
    assert made.read_bytes() == before
    assert greys(out) == [40, 120, 200]
    (folder / first).unlink()
    assert "2 results were there already" in upscale(folder, out=out).stderr
    assert greys(out) == [40, 120, 200]


def test_equal_names_in_two_folders_keep_their_results(tmp_path: Path) -> None:
    for folder, shade in (("p", 40), ("q", 200)):
        (tmp_path / folder).mkdir()
        picture(tmp_path / folder / "same.png", shade)
    out = tmp_path / "out"
    assert upscale(tmp_path / "p", tmp_path / "q", out=out).exit_code == 0
    shutil.rmtree(tmp_path / "p")
    assert "1 result was there already" in upscale(tmp_path / "q", out=out).stderr
    assert greys(out) == [40, 200]
