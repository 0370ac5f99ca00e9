"""Luma is BT.601 studio range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.data.luma import crop, luma


@pytest.mark.parametrize(
    ("rgb", "y"),
    [((0, 0, 0), 16.0), ((255, 255, 255), 235.0), ((255, 0, 0), 81.481), ((0, 255, 0), 144.553), ((0, 0, 255), 40.966)],
)
def test_the_corners_of_the_colour_cube_have_the_standards_values(rgb, y):
    assert luma(np.full((1, 1, 3), rgb, np.uint8))[0, 0] == pytest.approx(y, abs=1e-4)


@given(st.integers(0, 255))
def test_grey_is_the_same_in_one_channel_as_in_three(value):
    grey = np.full((2, 3), value, np.uint8)
    assert np.allclose(luma(grey), luma(np.dstack([grey] * 3)), atol=1e-4)


def test_luma_is_not_rounded():
    assert luma(np.full((1, 1, 3), (10, 20, 31), np.uint8)).dtype == np.float32
    assert luma(np.full((1, 1, 3), (10, 20, 31), np.uint8))[0, 0] % 1 > 0.01


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_crop_takes_the_top_left_multiple(scale):
    image = np.arange(13 * 11, dtype=np.float32).reshape(13, 11)
    out = crop(image, scale)
    assert out.shape == (13 // scale * scale, 11 // scale * scale) and np.array_equal(
        out, image[: out.shape[0], : out.shape[1]]
    )
