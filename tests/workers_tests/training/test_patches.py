"""The patch stream: a pure function of the step, the same on both paths, true to the images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.errors import BadData
from workers.data.degrade import low_resolution
from workers.data.image_set import ImageSet
from workers.data.luma import crop, luma
from workers.training.patches import FIXED, PatchSampler


def photographs(*sides: tuple[int, int], seed: int = 0) -> ImageSet:
    random = np.random.default_rng(seed)
    pixels = tuple(random.integers(0, 256, (*side, 3), dtype=np.uint8) for side in sides)
    return ImageSet("made", tuple(f"{i}.png" for i in range(len(sides))), pixels)


IMAGES = photographs((61, 80), (50, 49), (100, 33))


def test_a_batch_has_the_promised_shapes_types_and_range():
    lr, hr = PatchSampler(IMAGES, scale=3, patch=8, batch=5, seed=0).batch(7)
    assert lr.shape == (5, 1, 8, 8) and hr.shape == (5, 1, 24, 24)
    assert lr.dtype == hr.dtype == torch.float32
    assert lr.min() >= 0 and lr.max() <= 1 and hr.min() >= 16 / 255 - 1e-6 and hr.max() <= 235 / 255 + 1e-6


def test_a_step_gives_the_same_batch_whatever_was_asked_before():
    one, other = (PatchSampler(IMAGES, 2, 8, 4, seed=3) for _ in range(2))
    for step in (0, 1, 255, 256, 5000):
        one.batch(step)
    for a, b in zip(one.batch(300), other.batch(300), strict=True):
        assert torch.equal(a, b)


def test_another_seed_or_step_gives_other_patches():
    sampler, other = PatchSampler(IMAGES, 2, 8, 4, seed=3), PatchSampler(IMAGES, 2, 8, 4, seed=4)
    assert not torch.equal(sampler.batch(0)[1], sampler.batch(1)[1])
    assert not torch.equal(sampler.batch(0)[1], other.batch(0)[1])


@settings(max_examples=40, deadline=None)
@given(
    scale=st.sampled_from((2, 3, 4)),
    patch=st.integers(1, 8),
    batch=st.integers(1, 9),
    step=st.integers(0, 10**6),
    seed=st.integers(0, 2**31),
)
def test_cutting_by_rows_equals_cutting_by_elements(scale, patch, batch, step, seed):
    sampler = PatchSampler(IMAGES, scale, patch, batch, seed)
    for by_rows, by_elements in zip(sampler.batch(step), sampler.cut(sampler.draws(step)), strict=True):
        assert torch.equal(by_rows, by_elements)


def test_every_patch_is_a_symmetry_of_a_place_in_an_image_and_all_eight_occur():
    images = photographs((24, 26), seed=5)
    hr = crop(luma(images.pixels[0]), 2)
    lr = low_resolution(hr, 2)
    hr_fixed = np.rint(hr * FIXED) / FIXED
    known = {}
    for y in range(lr.shape[0] - 4):
        for x in range(lr.shape[1] - 4):
            for turn in range(4):
                for flip in (False, True):
                    key = _turned(lr[y : y + 5, x : x + 5], turn, flip).tobytes()
                    known[key] = (turn, flip, _turned(hr_fixed[2 * y :, 2 * x :][:10, :10], turn, flip))
    sampler = PatchSampler(images, 2, 5, 16, seed=1)
    seen = set()
    for step in range(12):
        for small, large in zip(*sampler.batch(step), strict=True):
            turn, flip, expected = known[(small[0] * 255).round().to(torch.uint8).numpy().tobytes()]
            assert np.allclose(large[0] * 255, expected, atol=1e-3)
            seen.add((turn, flip))
    assert len(seen) == 8


def _turned(image, turn, flip):
    return np.rot90(image[:, ::-1] if flip else image, turn)


def test_places_are_drawn_evenly_over_all_images():
    sampler = PatchSampler(IMAGES, 2, 8, 64, seed=0)
    corners = torch.cat([sampler.draws(step)[:, 0] for step in range(400)])
    first_two = [(61 // 2) * (80 // 2), (61 // 2) * (80 // 2) + (50 // 2) * (49 // 2)]
    shares = torch.bincount(torch.bucketize(corners, torch.tensor(first_two), right=True)) / len(corners)
    fits = torch.tensor([(30 - 7) * (40 - 7), (25 - 7) * (24 - 7), (50 - 7) * (16 - 7)])
    assert (shares - fits / fits.sum()).abs().max() < 0.01


def test_an_image_too_small_for_the_patch_is_left_out_by_name():
    sampler = PatchSampler(photographs((60, 60), (60, 30)), scale=2, patch=20, batch=2, seed=0)
    assert sampler.left_out == ("1.png",)
    assert sampler.batch(0)[0].shape == (2, 1, 20, 20)


def test_a_patch_that_fits_nowhere_is_refused():
    with pytest.raises(BadData, match="no image of 'made' is large enough for x4 patches of 64"):
        PatchSampler(IMAGES, scale=4, patch=64, batch=2, seed=0)


@pytest.mark.parametrize(("patch", "batch"), [(0, 1), (8, 0)])
def test_an_empty_patch_or_batch_is_refused(patch, batch):
    with pytest.raises(BadData, match="at least 1"):
        PatchSampler(IMAGES, 2, patch, batch, seed=0)
