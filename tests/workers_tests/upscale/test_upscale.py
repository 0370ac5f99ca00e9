import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from search_space import parse_id
from search_space.costs.describe import describe
from search_space.errors import BadData, BadWeights
from sweep.cli.main import app
from workers.data.embedded import embedded
from workers.export.graphs import to_format
from workers.export.metadata import Metadata
from workers.training.weights import to_bytes
from workers.upscale import Upscaler, from_file, from_module, run_tiled
from workers.upscale.colour import join, split
from workers.upscale.video import upscale_video

FAMILIES = [
    "Bicubic_s2", "eSR-MAX_s3_K7_C2", "eSR-TM_s2_K5_C4", "eSR-TR_s4_K3_C3", "eSR-CNN_s2_C2_D3_S6",
    "ESPCN_s3_D4_S12", "FSRCNN_s2_D6_S3_M4", "FSRCNN_s4_D6_S3_M1", "ECBSR_s2_D4_M2", "ABPN_s2_D4_M1", "Linear_s3_K11",
]  # fmt: skip


def made(name: str, tile: int = 384) -> Upscaler:
    torch.manual_seed(0)
    config = parse_id(name)
    return from_module(config, config.build().eval(), tile)


@pytest.mark.parametrize("name", FAMILIES)
def test_tiles_join_without_seams_in_every_family(name: str) -> None:
    whole = made(name)
    image = np.random.default_rng(0).random((41, 67), dtype=np.float32)
    field = describe(parse_id(name)).receptive_field
    one = run_tiled(whole.network, image, whole.scale, field, tile=1000)
    many = run_tiled(whole.network, image, whole.scale, field, tile=16)
    assert many.shape == (41 * whole.scale, 67 * whole.scale)
    assert np.abs(one - many).max() < 2e-6


def test_colour_survives_the_way_to_luma_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.abs(join(*split(pixels)).astype(int) - pixels).max() <= 1
    assert np.array_equal(join(*split(pixels[..., 0])), pixels[..., 0])


def test_a_colour_image_keeps_its_colours_and_a_grey_one_stays_grey() -> None:
    upscaler = made("Bicubic_s2")
    chelsea = embedded("embedded-test").pixels[1][:60, :80]
    big = upscaler.image(chelsea)
    assert big.shape == (120, 160, 3)
    inside = np.abs(big[8:-8:2, 8:-8:2].mean((0, 1)) - chelsea[4:-4, 4:-4].mean((0, 1)))
    assert inside.max() < 1.5
    assert upscaler.image(chelsea[..., 0]).shape == (120, 160)


@pytest.mark.parametrize("name", ["Bicubic_s2", "eSR-TM_s3_K5_C2", "FSRCNN_s4_D6_S3_M1"])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_an_image_in_strips_is_the_image_in_one_piece(name: str, colours: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (61, 47, *colours), dtype=np.uint8)
    alpha = random.integers(0, 256, (61, 47), dtype=np.uint8)
    one, many = made(name, 1000).image(pixels, alpha), made(name, 16).image(pixels, alpha)
    assert one.shape[2] == len(colours) * 2 + 2
    assert np.abs(one.astype(int) - many).max() <= 1
    assert np.abs(made(name, 16).image(pixels).astype(int) - np.squeeze(one[..., :-1])).max() <= 1


def test_memory_is_that_of_the_two_images_and_a_strip(tmp_path: Path) -> None:
    script = (
        "import resource, numpy as np\n"
        "from search_space import parse_id\n"
        "from workers.upscale import from_module\n"
        "up = from_module(parse_id('Bicubic_s2'), parse_id('Bicubic_s2').build().eval(), 128)\n"
        "up.image(np.zeros((300, 300, 3), np.uint8))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "up.image(np.zeros((1500, 2000, 3), np.uint8))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # The images have 9 and 36 MB; all of the result in float64, as it was once, has 288.
    assert float(done.stdout) < 150


def test_transparency_is_kept(tmp_path: Path) -> None:
    rgba = np.zeros((40, 30, 4), np.uint8)
    rgba[..., 0], rgba[:20, :, 3] = 200, 255
    Image.fromarray(rgba).save(tmp_path / "t.png")
    result = CliRunner().invoke(
        app, ["upscale", str(tmp_path / "t.png"), "-o", str(tmp_path / "out"), "-m", "Bicubic_s2"]
    )
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "t_x2.png") as image:
        assert (image.mode, image.size) == ("RGBA", (60, 80))
        big = np.asarray(image)
    assert (big[:30, :, 3] == 255).all()
    assert (big[50:, :, 3] == 0).all()
    assert abs(int(big[40, 30, 0]) - 200) <= 2


def test_an_icon_smaller_than_a_filter_is_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (5, 3), (10, 120, 60)).save(tmp_path / "i.png")
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(to_bytes(parse_id("FSRCNN_s2_D6_S3_M1").build()))
    args = ["upscale", str(tmp_path / "i.png"), "-o", str(tmp_path), "-m", "FSRCNN_s2_D6_S3_M1", "-w", str(weights)]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "i_x2.png") as image:
        assert image.size == (10, 6)


def test_folders_and_files_become_png_and_bad_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 40), (200, 30, 60)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.jpg").write_bytes(b"not an image")
    args = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", "Bicubic_s3"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 1
    assert "b.jpg" in result.stderr
    with Image.open(tmp_path / "out" / "a_x3.png") as image:
        assert image.size == (180, 120)
    again = CliRunner().invoke(app, args)
    assert "--overwrite" in again.stderr


def test_two_inputs_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("p", "q"):
        (tmp_path / folder).mkdir()
        Image.new("L", (50, 50), 90).save(tmp_path / folder / "same.png")
    result = CliRunner().invoke(
        app, ["upscale", str(tmp_path / "p"), str(tmp_path / "q"), "-o", str(tmp_path / "out"), "-m", "Bicubic_s2"]
    )
    assert result.exit_code == 0
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["same-2_x2.png", "same_x2.png"]


def test_a_model_file_says_which_config_it_is(tmp_path: Path) -> None:
    config = parse_id("eSR-MAX_s2_K3_C2")
    module = config.build().eval()
    path = tmp_path / "mine.safetensors"
    path.write_bytes(to_format(module, "safetensors", Metadata.of(config)))
    assert from_file(path).name == config.id
    stranger = tmp_path / "mine.pth"
    torch.save(module.state_dict(), stranger)
    with pytest.raises(BadWeights, match="which config"):
        from_file(stranger)


@pytest.mark.parametrize(("form", "ending"), [("torchscript", ".pt"), ("pt2", ".pt2"), ("pt2", ".pt")])
def test_a_file_that_is_a_program_is_refused_with_the_formats_that_work(tmp_path: Path, form: str, ending: str) -> None:
    config = parse_id("eSR-MAX_s2_K3_C2")
    path = tmp_path / f"{config.id}{ending}"
    path.write_bytes(to_format(config.build().eval(), form, Metadata.of(config)))
    with pytest.raises(BadWeights, match=r"program.*ONNX or safetensors"):
        from_file(path)


def test_onnx_in_capitals_is_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    config = parse_id("eSR-MAX_s2_K3_C2")
    path = tmp_path / "MODEL.ONNX"
    path.write_bytes(to_format(config.build().eval(), "onnx", Metadata.of(config)))
    assert from_file(path).name == config.id


def test_a_broken_onnx_file_is_one_clean_error(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\x08\x01garbage")
    with pytest.raises(BadWeights):
        from_file(path)


def test_a_video_keeps_its_length_colours_and_time(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    source, out = tmp_path / "clip.mp4", tmp_path / "out"
    with av.open(str(source), "w") as writer:
        stream = writer.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(7):
            pixels = np.full((48, 64, 3), (200, 20 + 10 * i, 40), np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                writer.mux(packet)
        for packet in stream.encode(None):
            writer.mux(packet)
    result = CliRunner().invoke(app, ["upscale", str(source), "-o", str(out), "--model", "Bicubic_s2"])
    assert result.exit_code == 0, result.output
    with av.open(str(out / "clip_x2.mp4")) as reader:
        frames = [frame.to_ndarray(format="rgb24") for frame in reader.decode(video=0)]
        rate = reader.streams.video[0].average_rate
    assert len(frames) == 7
    assert frames[0].shape == (96, 128, 3)
    assert float(rate) == pytest.approx(10)
    assert np.abs(frames[3][20:-20, 20:-20].mean((0, 1)) - (200, 50, 40)).max() < 8


def clip(path: Path, frames: int = 12, rotation: int = 0) -> None:
    """A short H.264 clip in BT.709 full range with oblong pixels; its index is at the front, as for streaming."""
    av = pytest.importorskip("av")
    front = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=front) as writer:
        stream = writer.add_stream("libx264", rate=Fraction(10), options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 2
        context.sample_aspect_ratio = Fraction(4, 3)
        if rotation:
            stream.set_display_rotation(rotation)
        noise = np.random.default_rng(0)
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 256, (72, 64), dtype=np.uint8), format="yuv420p")
            frame.color_range = 2
            for packet in stream.encode(frame):
                writer.mux(packet)
        for packet in stream.encode(None):
            writer.mux(packet)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_video_keeps_its_colour_tags_pixel_shape_and_rotation(tmp_path: Path, ending: str) -> None:
    av = pytest.importorskip("av")
    source, target = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    clip(source, 3, rotation=90)
    assert upscale_video(source, target, made("Bicubic_s2")) == 3
    found = []
    for path in (source, target):
        with av.open(str(path)) as reader:
            stream = reader.streams.video[0]
            frame = next(reader.decode(stream))
            tags = (frame.colorspace, frame.color_primaries, frame.color_trc)
            found.append((*tags, stream.sample_aspect_ratio, frame.rotation))
            last_range = frame.color_range
    assert found[0] == found[1] == (1, 1, 1, Fraction(4, 3), 90)
    assert int(last_range) == 1  # the result is in studio range, and says so


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_video_that_is_cut_off_says_how_many_frames_were_read(tmp_path: Path, ending: str) -> None:
    av = pytest.importorskip("av")
    source, target = tmp_path / f"a{ending}", tmp_path / f"a_x2{ending}"
    clip(source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    result = CliRunner().invoke(app, ["upscale", str(source), "-o", str(tmp_path), "-m", "Bicubic_s2"])
    assert result.exit_code == 1
    said = re.search(r"cut off or damaged: (\d+)(?: of 12)? frames could be read", result.stderr)
    assert said is not None, result.stderr
    with av.open(str(target)) as reader:
        frames = sum(1 for _ in reader.decode(video=0))
    assert frames == int(said[1])
    assert 2 <= frames < 10


def test_a_video_without_a_single_good_frame_says_so(tmp_path: Path) -> None:
    pytest.importorskip("av")
    source = tmp_path / "a.mp4"
    clip(source)
    data = source.read_bytes()
    start = data.index(b"mdat") + 4
    source.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(BadData, match="not one frame"):
        upscale_video(source, tmp_path / "b.mp4", made("Bicubic_s2"))
