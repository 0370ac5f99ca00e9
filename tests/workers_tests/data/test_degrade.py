"""The low resolution is the antialiased bicubic that everybody uses."""

import numpy as np
import pytest
from PIL import Image

from workers.data.degrade import low_resolution
from workers.data.embedded import embedded
from workers.data.luma import crop, luma


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_agrees_with_pillows_bicubic(scale):
    hr = crop(luma(embedded("embedded-test").pixels[1]), scale)
    small = (hr.shape[1] // scale, hr.shape[0] // scale)
    other = np.rint(np.asarray(Image.fromarray(hr).resize(small, Image.Resampling.BICUBIC))).clip(0, 255)
    difference = np.abs(low_resolution(hr, scale).astype(float) - other)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


def matlab_weights(scale):
    """Keys' cubic with a = -0.5, stretched by the scale, at the taps of one output pixel, for an even grid."""
    taps = np.arange(-2 * scale, 2 * scale) + 0.5 * (scale % 2 == 0) + (scale % 2)
    x = np.abs(taps / scale)
    weight = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    return taps, weight / weight.sum()


def test_inside_it_is_keys_cubic_with_a_minus_one_half_stretched_by_the_scale():
    row = np.random.default_rng(0).uniform(30, 220, 64).astype(np.float32)
    taps, weights = matlab_weights(2)
    centre = 2 * 12 + 0.5
    expected = sum(w * row[int(centre + t)] for t, w in zip(taps, weights, strict=True))
    assert low_resolution(np.tile(row, (32, 1)), 2)[8, 12] == round(float(expected))


def test_a_flat_image_stays_flat_up_to_the_border():
    assert (low_resolution(np.full((24, 24), 99.6, np.float32), 3) == 100).all()


def test_values_are_rounded_to_eight_bits_and_kept_in_range():
    stripes = np.tile(np.repeat([0.0, 255.0], 4), (24, 3)).astype(np.float32)
    out = low_resolution(stripes, 2)
    assert out.dtype == np.uint8 and out.min() == 0 and out.max() == 255


def test_sides_that_are_no_multiple_of_the_scale_are_a_programming_error():
    with pytest.raises(ValueError, match="not a multiple of 2"):
        low_resolution(np.zeros((25, 24), np.float32), 2)
