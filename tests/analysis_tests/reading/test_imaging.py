from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.charts.filters import ROLES, response, templates
from analysis.filters import one_of
from analysis.reading import imaging
from analysis.reading.models import Models, load
from analysis.reading.selection import Selection
from analysis.templates import template_weights
from search_space import parse_id
from search_space.errors import BadData, BadWeights, SweepError
from tests.analysis_tests import kit
from workers.data import degrade, luma
from workers.data.embedded import embedded
from workers.quality import protocol


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pictures_follow_the_evaluation_protocol_bit_for_bit(scale: int) -> None:
    images = embedded("embedded-test")
    pixels = images.pixels[images.names.index(imaging.SAMPLE)]
    name, ours = imaging.read_luma()
    assert name == "chelsea" and np.array_equal(ours, luma.luma(pixels))
    pair = imaging.pair(name, ours, scale)
    hr = luma.crop(luma.luma(pixels), scale)
    assert np.array_equal(pair.hr, hr)
    assert np.array_equal(np.rint(pair.lr * 255).astype(np.uint8), degrade.low_resolution(hr, scale))
    module = parse_id(f"Bicubic_s{scale}").build()
    (figure,) = protocol.evaluate(parse_id(f"Bicubic_s{scale}"), module, images, ("psnr",))
    assert imaging.psnr(imaging.upscale(module, pair), pair) == pytest.approx(
        dict(figure.per_image)[imaging.SAMPLE], abs=1e-4
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_released_fsrcnn_is_better_than_bicubic_at_every_scale(scale: int) -> None:
    file = sorted(kit.shared("published/model-files").glob(f"FSRCNN_s{scale}_*_S12_M4.model"))[-1]
    config = file.stem
    module = load(config, file)
    name, image = imaging.read_luma()
    pair = imaging.pair(name, image, parse_id(config).scale)
    bicubic = Models(None).require(f"Bicubic_s{pair.scale}")
    assert imaging.psnr(imaging.upscale(module, pair), pair) > imaging.psnr(imaging.upscale(bicubic, pair), pair) + 0.3


def test_an_image_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    torn, tiny = tmp_path / "torn.png", tmp_path / "tiny.png"
    Image.new("L", (64, 64)).save(torn)
    torn.write_bytes(torn.read_bytes()[:60])
    Image.new("RGB", (1, 1)).save(tiny)
    with pytest.raises(BadData, match="cannot use"):
        imaging.read_luma(torn)
    with pytest.raises(BadData, match="No such file"):
        imaging.read_luma(tmp_path / "none.png")
    with pytest.raises(BadData, match="too small"):
        imaging.pair(*imaging.read_luma(tiny), 2)


@pytest.mark.parametrize("config", ["eSR-MAX_s2_K3_C4", "eSR-TM_s3_K5_C3", "eSR-TR_s4_K3_C2"])
def test_a_template_is_the_large_image_that_one_small_pixel_makes(config: str) -> None:
    known = parse_id(config)
    module = known.build()
    weight = module.state_dict()["filter.weight"].double()
    groups = templates(weight.numpy(), known.scale, ROLES[known.family])
    assert [len(group.taps) for group in groups] == [known.values["C"]] * len(ROLES[known.family])
    side = known.values["K"]
    dot = torch.zeros(1, 1, 2 * side - 1, 2 * side - 1)
    dot[0, 0, side - 1, side - 1] = 1
    with torch.no_grad():
        maps = torch.cat(module.feature_maps(dot), dim=1)[0].double().numpy()  # type: ignore[operator]
    first = (side - 1 - side // 2) * known.scale
    size = side * known.scale
    expected = maps[:, first : first + size, first : first + size]
    assert np.allclose(np.concatenate([group.taps for group in groups]), expected, atol=1e-6)


def test_a_flat_template_passes_the_mean_at_zero_decibels() -> None:
    taps = np.full((6, 6), 4 / 36)
    found = response(taps, 2)
    assert found[32, 32] == pytest.approx(0) and found.max() == found[32, 32]


@pytest.mark.parametrize("config", ["eSR-MAX_s2_K3_C4", "eSR-TM_s3_K5_C3", "eSR-TR_s4_K3_C2"])
def test_template_weights_sum_to_one_and_explain_the_output(config: str) -> None:
    known = parse_id(config)
    module = known.build()
    lr = np.random.default_rng(0).random((8, 9), dtype=np.float32)
    weights = template_weights(module, known.family, lr)
    assert np.allclose(weights.sum(axis=0), 1, atol=1e-5)
    x = torch.from_numpy(lr)[None, None]
    with torch.no_grad():
        value = module.feature_maps(x)[0][0].numpy()  # type: ignore[operator]
        out = module(x)[0, 0].numpy()
    assert np.allclose((weights * value).sum(axis=0), out, atol=1e-5)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.target),)  # type: ignore[attr-defined,return-value]

    def __init__(self, target: Path) -> None:
        self.target = str(target)


def test_a_malicious_weights_file_is_refused_and_not_run(tmp_path: Path) -> None:
    bad, mark = tmp_path / "eSR-TM_s2_K5_C4.model", tmp_path / "ran"
    bad.write_bytes(pickle.dumps({"filter.weight": Bomb(mark)}))
    with pytest.raises(BadWeights, match="not opened"):
        load("eSR-TM_s2_K5_C4", bad)
    assert not mark.exists()


def test_weights_of_another_config_or_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "eSR-TM_s2_K5_C4.safetensors"
    file.write_bytes(kit.artifact(parse_id("eSR-TM_s2_K3_C4")).data)
    with pytest.raises(BadWeights, match="does not hold weights of eSR-TM_s2_K5_C4"):
        load("eSR-TM_s2_K5_C4", file)
    with pytest.raises(BadWeights, match="there are no weights of ESPCN_s2_D4_S12"):
        Models(None).require("ESPCN_s2_D4_S12")
    with pytest.raises(BadWeights, match="no weights file"):
        Models(None, [tmp_path / "gone.model"])
    with pytest.raises(SweepError, match="ESPCN has no templates"):
        one_of(Models(None), Selection(configs=("ESPCN_s2_D4_S12",)))
