"""Quality under the named protocol: metrics agree with other libraries, figures with the released weights'."""

import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_space import parse_id
from search_space.errors import BadData, MissingExtra
from workers.data.embedded import embedded
from workers.data.image_set import ImageSet, read_folder
from workers.packs.compiled import library, why_not
from workers.quality import protocol
from workers.quality.ssim import compiled, ssim
from workers.training import weights

SHARED = Path(os.environ.get("EDGE_SWEEP_SHARED", Path(__file__).parents[4] / "shared"))
RELEASED = SHARED / "published" / "model-files"
needs_released = pytest.mark.skipif(not RELEASED.is_dir(), reason=f"the released weights are not in {RELEASED}")


def pair(seed: int, noise: float = 8, side: tuple[int, int] = (40, 31)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    want = torch.rand(1, 1, *side, generator=generator) * 255
    return (want + noise * torch.randn(want.shape, generator=generator)).clamp(0, 255), want


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 60))
def test_psnr_agrees_with_torchmetrics_and_scikit_image(seed, noise):
    from skimage.metrics import peak_signal_noise_ratio as skimage_psnr
    from torchmetrics.functional.image import peak_signal_noise_ratio

    got, want = pair(seed, noise)
    ours = float(protocol.psnr(got.clone(), want))
    assert ours == pytest.approx(float(peak_signal_noise_ratio(got, want, data_range=255.0)), abs=1e-4)
    assert ours == pytest.approx(skimage_psnr(want.numpy(), got.numpy(), data_range=255.0), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 60))
def test_ssim_agrees_with_torchmetrics_and_scikit_image_inside_the_border(seed, noise):
    from skimage.metrics import structural_similarity
    from torchmetrics.functional.image import structural_similarity_index_measure

    got, want = pair(seed, noise)
    _, full = structural_similarity_index_measure(
        got.double(), want.double(), sigma=1.5, data_range=255.0, return_full_image=True
    )
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255.0}
    other = structural_similarity(want[0, 0].double().numpy(), got[0, 0].double().numpy(), **options)
    assert float(ssim(got, want)) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-9)
    assert float(ssim(got, want)) == pytest.approx(other, abs=1e-9)


def test_ssim_of_a_bright_flat_image_keeps_its_digits():
    """In float32 its variances drown: 3.9e-5 was seen."""
    from skimage.metrics import structural_similarity

    generator = torch.Generator().manual_seed(3)
    want = 235 + 0.3 * torch.rand(1, 1, 60, 50, generator=generator)
    got = want + 0.2 * torch.randn(want.shape, generator=generator)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255.0}
    other = structural_similarity(want[0, 0].double().numpy(), got[0, 0].double().numpy(), **options)
    assert float(ssim(got, want)) == pytest.approx(other, abs=1e-9)
    if (both := compiled(got, want)) is not None:
        assert both[1] == pytest.approx(other, abs=1e-9)


def test_equal_images_have_infinite_psnr_and_an_ssim_of_one():
    _, want = pair(0)
    assert math.isinf(protocol.psnr(want, want)) and float(ssim(want, want)) == pytest.approx(1.0)


@pytest.mark.skipif(library() is None, reason=why_not() or "compiled")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 200), st.integers(11, 70), st.integers(11, 70))
def test_the_compiled_metrics_equal_those_in_torch(seed, noise, height, width):
    got, want = (image[..., 1:, 2:-1] for image in pair(seed, noise, (height + 1, width + 3)))
    error, similarity = compiled(got, want)
    assert 10 * math.log10(255.0**2 / error) == pytest.approx(float(protocol.psnr(got.clone(), want)), abs=1e-5)
    assert similarity == pytest.approx(float(ssim(got, want)), abs=1e-11)


@pytest.mark.skipif(library() is None, reason=why_not() or "compiled")
def test_a_number_that_is_none_stays_none_in_the_compiled_metrics():
    got, want = pair(0)
    got[0, 0, 20, 20] = math.nan
    assert all(map(math.isnan, compiled(got, want)))


def test_ssim_of_less_than_a_window_is_refused():
    with pytest.raises(ValueError, match="at least 11"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shave_takes_the_border_of_scale_pixels(scale):
    assert protocol.shave(torch.zeros(1, 1, 40, 30), scale).shape == (1, 1, 40 - 2 * scale, 30 - 2 * scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_bicubic_reference_is_what_a_bicubic_network_reaches(scale):
    config, images = parse_id(f"Bicubic_s{scale}"), embedded("embedded-test")
    (result,) = protocol.evaluate(config, config.build(), images, ("psnr",))
    assert result.value == pytest.approx(protocol.bicubic_psnr(images, scale), abs=0.1)


def test_a_result_names_its_protocol_and_keeps_every_image():
    config, images = parse_id("eSR-MAX_s2_K3_C1"), embedded("embedded-test")
    psnr, ssim_ = protocol.evaluate(config, config.build(), images)
    assert (psnr.metric, psnr.unit, ssim_.metric, ssim_.unit) == ("psnr", "dB", "ssim", "")
    assert psnr.protocol == protocol.PROTOCOL == "y-bt601-bicubic-aa-v1"
    assert tuple(name for name, _ in psnr.per_image) == images.names
    assert psnr.value == pytest.approx(sum(v for _, v in psnr.per_image) / len(images))


def test_evaluating_leaves_no_gradients_and_the_mode_as_it_was():
    config = parse_id("ESPCN_s2_D2_S3")
    module = config.build().train()
    protocol.evaluate(config, module, embedded("embedded-test"), ("psnr",))
    assert module.training and all(p.grad is None for p in module.parameters())


def test_a_gpu_evaluates_without_tf32(monkeypatch):
    """The device is a CPU that is taken for a GPU: what is looked at is which flags are set."""
    monkeypatch.setattr("workers.training.precision.kind_of", lambda device: "cuda")
    seen, cudnn, matmul = [], torch.backends.cudnn, torch.backends.cuda.matmul
    module = nn.Upsample(scale_factor=2)
    module.register_forward_pre_hook(lambda *_: seen.append((cudnn.allow_tf32, matmul.allow_tf32)))
    protocol.evaluate(parse_id("eSR-MAX_s2_K3_C1"), module, embedded("embedded-test"))
    assert set(seen) == {(False, False)}
    assert cudnn.allow_tf32, "torch's own setting is put back"


def test_the_output_is_clamped_before_it_is_measured():
    class Bright(nn.Module):
        def forward(self, x):
            return torch.full((1, 1, x.shape[2] * 2, x.shape[3] * 2), 7.0)

    white = ImageSet("white", ("a",), (np.full((40, 40), 255, np.uint8),))
    (result,) = protocol.evaluate(parse_id("Bicubic_s2"), Bright(), white, ("psnr",))
    assert result.value == pytest.approx(10 * math.log10(255**2 / (255 - 235) ** 2), abs=1e-4)


def test_a_network_that_gives_nan_is_reported_as_nan_not_left_out():
    class Broken(nn.Module):
        def forward(self, x):
            return torch.full((1, 1, x.shape[2] * 2, x.shape[3] * 2), math.nan)

    for result in protocol.evaluate(parse_id("Bicubic_s2"), Broken(), embedded("embedded-test")):
        assert math.isnan(result.value)


def test_a_network_of_another_scale_is_refused():
    with pytest.raises(BadData, match="Bicubic_s2 gave"):
        protocol.evaluate(parse_id("Bicubic_s2"), parse_id("Bicubic_s3").build(), embedded("embedded-test"))


def test_images_are_prepared_once_a_scale_and_a_large_set_keeps_one_scale(monkeypatch):
    images = ImageSet("one", ("a",), (np.zeros((40, 40), np.uint8),))
    assert protocol.prepare(images, 2) is protocol.prepare(images, 2)
    monkeypatch.setattr(protocol, "KEEP_MEGAPIXELS", 0.0)
    first = protocol.prepare(images, 3)
    protocol.prepare(images, 4)
    assert protocol.prepare(images, 3) is not first


def test_an_unknown_metric_is_refused_by_name():
    with pytest.raises(BadData, match=r"no metric 'vmaf' .*psnr, ssim, lpips"):
        protocol.require_metrics(["vmaf"])


def test_lpips_without_its_extra_names_the_pip_command(monkeypatch):
    monkeypatch.setattr(protocol, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'edge-sweep\[lpips\]'"):
        protocol.evaluate(parse_id("Bicubic_s2"), parse_id("Bicubic_s2").build(), embedded("embedded-test"), ("lpips",))


@cache
def set5() -> ImageSet:
    return read_folder(SHARED / "datasets" / "Set5")[0]


@needs_released
@pytest.mark.parametrize(
    ("config", "least", "most"),
    [
        ("eSR-CNN_s2_C4_D5_S9", 36.38, 36.41),
        ("Bicubic_s2", 33.6, 33.7),
        ("ESPCN_s4_D10_S27", 30.32, 30.35),
        ("FSRCNN_s4_D44_S3_M4", 29.71, 29.74),
    ],
)
def test_the_released_weights_give_the_known_psnr_on_set5(config, least, most):
    parsed = parse_id(config)
    module = weights.load(parsed, RELEASED / f"{config}.model")
    (result,) = protocol.evaluate(parsed, module, set5(), ("psnr",))
    assert least < result.value < most


@cache
def published_on_set5() -> dict[str, float]:
    from results_db.foreign import published

    table = published.read(SHARED / "published" / "tests.pkl")
    return {q.config: q.value for q in table.qualities if (q.dataset, q.metric) == ("Set5", "psnr")}


@needs_released
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("family", ["eSR-MAX", "eSR-TM", "eSR-TR", "eSR-CNN", "FSRCNN"])
def test_released_weights_lie_close_under_their_published_psnr(family, scale):
    """Wherever a layer is one pixel off, this is 1 to 6 dB. ESPCN's published figures are not those of its weights."""
    path = sorted(RELEASED.glob(f"{family}_s{scale}_*.model"))[0]
    config = parse_id(path.stem)
    (result,) = protocol.evaluate(config, weights.load(config, path), set5(), ("psnr",))
    assert -0.35 < result.value - published_on_set5()[config.id] < 0.05


def by_matlab(image: np.ndarray, scale: int) -> np.ndarray:
    """Made small by sums written out: Keys' cubic stretched by the scale, the image mirrored at its border."""
    for _ in range(2):
        size = image.shape[0]
        rows = []
        for i in range(size // scale):
            centre = (i + 0.5) * scale - 0.5
            places = np.arange(int(centre - 2 * scale) - 1, int(centre + 2 * scale) + 3)
            x = np.abs(places - centre) / scale
            near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            weights = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
            mirrored = np.where(places < 0, -1 - places, np.where(places >= size, 2 * size - 1 - places, places))
            rows.append(weights / weights.sum() @ image[mirrored])
        image = np.stack(rows).T
    return image


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_matlab_protocol_mirrors_the_image_at_its_border(scale):
    pixels = np.random.default_rng(scale).integers(0, 256, (48, 60), dtype=np.uint8)
    images = ImageSet("noise", ("a",), (pixels,))
    (pair_,), (ours,) = protocol.prepare(images, scale, protocol.MATLAB), protocol.prepare(images, scale)
    want = by_matlab(pair_.hr[0, 0].double().numpy(), scale)
    off = np.abs(pair_.lr[0, 0].numpy() * 255 - want)
    assert off.max() < 0.5001
    assert np.abs(ours.lr[0, 0].numpy() * 255 - want).max() > 0.6
    assert torch.equal(pair_.lr[..., 3:-3, 3:-3], ours.lr[..., 3:-3, 3:-3])


@pytest.mark.parametrize(
    ("name", "scale", "value"),
    [("Set5", 2, 33.6800), ("Set5", 3, 30.4021), ("Set5", 4, 28.4291), ("Set14", 2, 30.3317), ("Set14", 3, 27.6379)],
)
def test_the_matlab_protocol_gives_the_figures_of_basicsr(name, scale, value):
    """Bicubic enlargement by ``imresize`` of BasicSR 1.4.2 (docs/decisions/126), dB."""
    folder = SHARED / "datasets" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not in {folder.parent}")
    images = read_folder(folder)[0]
    assert protocol.bicubic_psnr(images, scale, protocol.MATLAB) == pytest.approx(value, abs=1e-3)


def test_a_value_says_its_protocol_and_an_unknown_one_is_refused():
    config, images = parse_id("Bicubic_s2"), embedded("embedded-test")
    (value,) = protocol.evaluate(config, config.build(), images, ("psnr",), protocol=protocol.MATLAB)
    assert value.protocol == protocol.protocol_named("matlab") == protocol.MATLAB
    assert value.value == pytest.approx(protocol.bicubic_psnr(images, 2, protocol.MATLAB), abs=0.1)
    assert protocol.bicubic_psnr(images, 2) != protocol.bicubic_psnr(images, 2, protocol.MATLAB)
    with pytest.raises(BadData, match="choose from aa, matlab"):
        protocol.protocol_named("pil")


class Repeated(nn.Module):
    """Each pixel four times: gives flat images back exactly."""

    def forward(self, x):
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_an_image_that_comes_back_exactly_does_not_take_the_sets_psnr_away():
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    black = np.zeros((40, 40), np.uint8)
    config, images = parse_id("Bicubic_s2"), ImageSet("set", ("black", "noise"), (black, noise))
    psnr, ssim_ = protocol.evaluate(config, Repeated(), images)
    assert psnr.exact == ("black",)
    assert psnr.value == dict(psnr.per_image)["noise"]
    assert ssim_.exact == ()
    (all_flat,) = protocol.evaluate(config, Repeated(), ImageSet("flat", ("black",), (black,)), ("psnr",))
    assert all_flat.value == math.inf
