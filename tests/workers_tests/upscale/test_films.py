"""A film comes back as it was, but larger: what it says about itself, its times and all that is beside the picture."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from search_space import parse_id
from search_space.errors import BadData
from workers.upscale import Upscaler, from_module
from workers.upscale.clip import look
from workers.upscale.colour_tags import PLACES
from workers.upscale.frames import enlarged, planes
from workers.upscale.resample import resample
from workers.upscale.video import upscale_video

av = pytest.importorskip("av")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg makes these clips")
CLIP = "-f lavfi -i testsrc2=size=64x48:rate=10:duration=0.6"


@pytest.fixture(scope="module")
def bicubic() -> Upscaler:
    torch.manual_seed(0)
    config = parse_id("Bicubic_s2")
    return from_module(config, config.build().eval())


def made(path: Path, arguments: str) -> Path:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *arguments.split(), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this ffmpeg does not make such a clip: {done.stderr.splitlines()[-1:]}")
    return path


def enlarge(source: Path, upscaler: Upscaler) -> tuple[Path, list[str]]:
    target, notes = source.with_name(f"{source.stem}_x2{source.suffix}"), []
    upscale_video(source, target, upscaler, note=notes.append)
    return target, notes


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as reader:
        return list(reader.decode(reader.streams.best("video")))


@needs_ffmpeg
@pytest.mark.parametrize(("size", "matrix", "primaries"), [("64x48", 6, 1), ("64x480", 6, 6), ("1280x48", 1, 1)])
def test_a_clip_without_tags_says_what_players_guessed_at_its_size(
    tmp_path: Path, bicubic: Upscaler, size: str, matrix: int, primaries: int
) -> None:
    source = made(tmp_path / "a.mkv", f"-f lavfi -i color=red:size={size}:rate=5:duration=0.4 -pix_fmt yuv420p")
    assert frames_of(source)[0].colorspace == 2
    frame = frames_of(enlarge(source, bicubic)[0])[0]
    assert (frame.colorspace, frame.color_primaries) == (matrix, primaries)


@needs_ffmpeg
def test_hdr_keeps_its_depth_transfer_and_mastering_data(tmp_path: Path, bicubic: Upscaler) -> None:
    source = made(
        tmp_path / "a.mkv",
        f"{CLIP} -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -c:v libx264 "
        "-x264-params mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        ":cll=1000,400",
    )
    target, notes = enlarge(source, bicubic)
    found = []
    for path in (source, target):
        frame = frames_of(path)[0]
        light = {d.type.name: bytes(d) for d in frame.side_data if d.type.name != "SEI_UNREGISTERED"}
        found.append((frame.format.name, frame.colorspace, frame.color_primaries, frame.color_trc, light))
    assert found[0] == found[1]
    assert found[1][:4] == ("yuv420p10le", 9, 9, 16)
    assert notes == []


@needs_ffmpeg
def test_rgb_becomes_the_matrix_that_it_says(tmp_path: Path, bicubic: Upscaler) -> None:
    source = made(
        tmp_path / "a.mov", "-f lavfi -i color=0x20c040:size=64x48:rate=5:duration=0.4 -pix_fmt rgb24 -c:v png"
    )
    frame = frames_of(enlarge(source, bicubic)[0])[0]
    assert frame.colorspace == 6
    shown = frame.reformat(format="rgb24", src_colorspace="ITU601").to_ndarray()[48, 64].astype(int)
    assert np.abs(shown - (0x20, 0xC0, 0x40)).max() <= 4


@needs_ffmpeg
@pytest.mark.parametrize("place", ["left", "center", "topleft"])
def test_the_place_of_chroma_is_kept(tmp_path: Path, bicubic: Upscaler, place: str) -> None:
    source = made(tmp_path / "a.mkv", f"{CLIP} -pix_fmt yuv420p -c:v libx264 -chroma_sample_location {place}")
    assert look(source).place.name == place
    assert look(enlarge(source, bicubic)[0]).place.name == place


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p"])
def test_chroma_lies_where_it_lay(bicubic: Upscaler, place: str, form: str) -> None:
    """A slope of chroma over the picture goes on as the same slope: half a sample aside would be seen."""
    where = PLACES[place]
    frame = av.VideoFrame(64, 48, form)
    down, across = 48 // frame.format.chroma_height(48), 64 // frame.format.chroma_width(64)
    shift = (where.across, where.down) if (down, across) == (2, 2) else (0.0, 0.0)
    for index, plane in enumerate(frame.planes):
        step = (1, 1) if index == 0 else (across, down)
        x, y = np.arange(plane.width) * step[0] + shift[0], np.arange(plane.height) * step[1] + shift[1]
        values = np.full((plane.height, plane.line_size), 128.0)
        if index:
            values[:, : plane.width] = 40 + 2 * (x[None] if index == 1 else y[:, None])
        plane.update(values.round().astype(np.uint8).tobytes())
    frame.color_range, frame.pts, frame.time_base = 1, 0, Fraction(1, 10)
    big = enlarged(frame, bicubic, 1, where, deep=True)
    there = where if (down, across) == (2, 2) else PLACES["left"]
    chroma = planes(big, 1)[1]
    assert chroma.shape == (2, 48, 64)
    for axis, offset in ((0, there.across), (1, there.down)):
        line = chroma[axis].mean(0) if axis == 0 else chroma[axis].mean(1)
        place_in_source = (np.arange(len(line)) * 2 + offset + 0.5) / 2 - 0.5
        assert np.abs(line - (40 + 2 * place_in_source))[4:-4].max() < 0.3


def test_resampling_at_its_own_places_changes_nothing() -> None:
    plane = np.random.default_rng(0).random((9, 7), dtype=np.float32)
    assert np.array_equal(resample(plane, 9, 0, 1, axis=0), plane)
    assert np.array_equal(resample(plane, 7, 0, 1, axis=1), plane)


@needs_ffmpeg
def test_sound_subtitles_chapters_attachments_and_names_come_back(tmp_path: Path, bicubic: Upscaler) -> None:
    (tmp_path / "s.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nhello\n")
    (tmp_path / "c.txt").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=300\ntitle=first\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=300\nEND=600\ntitle=second\n"
    )
    (tmp_path / "font.ttf").write_bytes(b"a font" * 10)
    source = made(
        tmp_path / "a.mkv",
        f"-f lavfi -i sine=duration=0.6 -f lavfi -i sine=300:duration=0.6 {CLIP} -i {tmp_path}/s.srt "
        f"-i {tmp_path}/c.txt -map 0 -map 2 -map 1 -map 3 -map_metadata 4 -map_chapters 4 "
        "-c:a flac -c:v libx264 -c:s srt "
        "-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:a:1 title=Kommentar "
        f"-metadata:s:s:0 language=fra -disposition:a:1 comment -disposition:s:0 forced -attach {tmp_path}/font.ttf "
        "-metadata:s:t:0 mimetype=font/ttf",
    )
    target, notes = enlarge(source, bicubic)
    assert notes == []
    found = []
    for path in (source, target):
        with av.open(str(path)) as reader:
            streams = [(s.type, s.language, s.metadata.get("title"), int(s.disposition)) for s in reader.streams]
            chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in reader.chapters()]
            attached = [(s.name, s.mimetype, s.data) for s in reader.streams.attachments]
            packets = [
                (p.stream.index, p.pts, bytes(p)) for p in reader.demux() if p.stream.type in ("audio", "subtitle")
            ]
            found.append((streams, chapters, attached, [p for p in packets if p[2]], reader.metadata.get("title")))
    assert found[0] == found[1]
    assert [kind for kind, *_ in found[0][0]] == ["audio", "video", "audio", "subtitle", "attachment"]
    assert (len(found[0][1]), found[0][4]) == (2, "A film")


@needs_ffmpeg
def test_what_the_container_does_not_take_is_named(tmp_path: Path, bicubic: Upscaler) -> None:
    (tmp_path / "s.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nhello\n")
    source = made(tmp_path / "a.mkv", f"{CLIP} -i {tmp_path}/s.srt -c:v libx264 -c:s srt")
    notes: list[str] = []
    upscale_video(source, tmp_path / "b.mp4", bicubic, note=notes.append)
    assert notes == ["subtitle stream 1 (srt) is left out: mp4 does not take it"]
    assert len(frames_of(tmp_path / "b.mp4")) == 6


@needs_ffmpeg
def test_the_film_is_chosen_and_a_second_one_named(tmp_path: Path, bicubic: Upscaler) -> None:
    source = made(
        tmp_path / "a.mkv",
        f"-f lavfi -i testsrc2=size=32x32:rate=10:duration=0.3 {CLIP} -map 0 -map 1 -disposition:v:0 0 "
        "-disposition:v:1 default -c:v libx264",
    )
    target, notes = enlarge(source, bicubic)
    assert notes == ["1 more video stream left out: stream 1 is enlarged"]
    assert (frames_of(target)[0].width, len(frames_of(target))) == (128, 6)


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["ffv1 -pix_fmt yuva420p", "png -pix_fmt rgba"])
def test_lost_transparency_is_said(tmp_path: Path, bicubic: Upscaler, codec: str) -> None:
    source = made(tmp_path / "a.mkv", f"{CLIP} -c:v {codec}")
    assert "its transparency is left out: H.264 holds none" in enlarge(source, bicubic)[1]


@needs_ffmpeg
def test_an_interlaced_clip_is_named(tmp_path: Path, bicubic: Upscaler) -> None:
    source = made(tmp_path / "a.mkv", f"{CLIP} -vf interlace -c:v libx264 -flags +ildct+ilme -x264-params interlaced=1")
    notes = enlarge(source, bicubic)[1]
    assert len(notes) == 1
    assert notes[0].startswith("interlaced: both fields")


@needs_ffmpeg
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_frames_keep_their_times(tmp_path: Path, bicubic: Upscaler, ending: str) -> None:
    source = made(
        tmp_path / f"a{ending}",
        "-f lavfi -i testsrc2=size=64x48:rate=30:duration=0.7 -vf select='not(mod(n\\,5))+not(mod(n\\,7))' "
        "-fps_mode vfr -c:v libx264 -bf 0",
    )
    paths = source, enlarge(source, bicubic)[0]
    before, after = ([float(f.pts * f.time_base) for f in frames_of(path)] for path in paths)
    assert len({round(b - a, 2) for a, b in pairwise(before)}) > 1
    assert after == pytest.approx(before, abs=0.0011)


def joined(path: Path, parts: list[Path]) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@needs_ffmpeg
def test_a_size_that_changes_on_the_way_is_said_and_all_frames_are_there(tmp_path: Path, bicubic: Upscaler) -> None:
    sizes = ("64x48", "96x64")
    parts = [
        made(tmp_path / f"{size}.h264", f"-f lavfi -i testsrc2=size={size}:rate=25:duration=0.2 -c:v libx264 -bf 0")
        for size in sizes
    ]
    notes: list[str] = []
    upscale_video(joined(tmp_path / "a.h264", parts), tmp_path / "b.mkv", bicubic, note=notes.append)
    assert notes == ["its size changes on the way: all of it is enlarged from the first frame's, 64 x 48"]
    found = frames_of(tmp_path / "b.mkv")
    assert {(frame.width, frame.height) for frame in found} == {(128, 96)}
    assert [b.time - a.time for a, b in pairwise(found)] == pytest.approx([0.04] * 9, abs=0.0011)


@needs_ffmpeg
def test_a_film_joined_of_two_goes_on_after_the_first(tmp_path: Path, bicubic: Upscaler) -> None:
    clip = "-f lavfi -i sine=duration=0.5 -f lavfi -i testsrc2=size=64x48:rate=10:duration=0.5 -c:v libx264"
    parts = [made(tmp_path / f"{name}.ts", clip) for name in "pq"]
    notes: list[str] = []
    # The counters of the transport stream jump where it was joined, so it is called damaged too.
    with pytest.raises(BadData, match="10 frames could be read"):
        upscale_video(joined(tmp_path / "a.ts", parts), tmp_path / "b.mkv", bicubic, note=notes.append)
    assert notes == ["its times go back on the way: what follows is shown after what came before"]
    found = frames_of(tmp_path / "b.mkv")
    assert [b.time - a.time for a, b in pairwise(found)] == pytest.approx([0.1] * 9, abs=0.0011)
    with av.open(str(tmp_path / "b.mkv")) as reader:
        stream = reader.streams.audio[0]
        sound = [packet for packet in reader.demux(stream) if packet.size]
        assert sum(packet.duration * packet.time_base for packet in sound) > 0.9
        assert all(b.pts > a.pts for a, b in pairwise(sound))


@needs_ffmpeg
@pytest.mark.parametrize("form", ["yuv422p", "yuv444p10le", "nv12", "yuyv422", "gray", "yuv411p", "rgb48le"])
def test_every_pixel_format_is_shown_as_before(tmp_path: Path, bicubic: Upscaler, form: str) -> None:
    source = made(
        tmp_path / "a.mkv",
        f"-f lavfi -i color=0x607080:size=64x48:rate=5:duration=0.2 -pix_fmt {form} -c:v rawvideo -f nut",
    )
    before = frames_of(source)[0]
    assert before.format.name == form
    after = frames_of(enlarge(source, bicubic)[0])[0]
    rgb = [frame.reformat(format="rgb24", src_colorspace="ITU601").to_ndarray() for frame in (before, after)]
    shown = [pixels[20, 30].astype(int) for pixels in rgb]
    assert np.abs(shown[0] - shown[1]).max() <= 3
    assert after.format.name == ("yuv420p10le" if form in ("yuv444p10le", "rgb48le") else "yuv420p")


@pytest.mark.parametrize("form", ["nv12", "p010le", "yuv420p10be", "yuva420p", "yuyv422"])
def test_the_planes_of_another_layout_are_the_same(form: str) -> None:
    frame = av.VideoFrame(64, 48, "yuv420p")
    frame.color_range = 1
    for plane, noise in zip(
        frame.planes, np.random.default_rng(0).integers(16, 235, (3, 64 * 48), np.uint8), strict=True
    ):
        plane.update(noise[: plane.buffer_size].tobytes().ljust(plane.buffer_size, b"\x80"))
    y, chroma = planes(frame, 1)
    again_y, again_chroma = planes(frame.reformat(format=form), 1)
    assert np.array_equal(y, again_y)
    if form != "yuyv422":
        assert np.array_equal(chroma, again_chroma)


@needs_ffmpeg
def test_a_mirrored_clip_stays_mirrored(tmp_path: Path, bicubic: Upscaler) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as writer:
        stream = writer.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_matrix([-65536, 0, 0, 0, 65536, 0, 64 * 65536, 0, 1 << 30])
        for _ in range(3):
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")))
        writer.mux(stream.encode(None))
    assert look(source).matrix is not None
    matrix = look(enlarge(source, bicubic)[0]).matrix
    assert matrix == (-65536, 0, 0, 0, 65536, 0, 128 * 65536, 0, 1 << 30)
