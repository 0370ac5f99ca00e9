"""Deep greys are scaled by their range, and sides are judged by the shorter one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_space.errors import BadData
from workers.data.datasets import inventory
from workers.data.image_set import MIN_SIDE, read_image


def test_a_dark_16_bit_grey_is_dark_however_small_its_values(tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    values = np.full((30, 30), 255, np.uint16)
    values[0, 0] = 128
    Image.fromarray(values).save(path)
    pixels = read_image(path)
    assert pixels[5, 5] == 1, "255 of 65535 is almost black"
    assert pixels[0, 0] == 0


def test_a_16_bit_grey_has_65535_as_its_white(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    values = np.full((30, 30), 65535, np.uint16)
    values[0, :3] = 32768, 257, 65000
    Image.fromarray(values).save(path)
    assert read_image(path)[0, :4].tolist() == [128, 1, 253, 255]


@pytest.mark.parametrize(("size", "fits"), [((24, 40), True), ((40, 24), True), ((23, 40), False), ((40, 23), False)])
def test_the_shorter_side_decides_whether_an_image_is_large_enough(
    tmp_path: Path, size: tuple[int, int], fits: bool
) -> None:
    assert MIN_SIDE == 24
    path = tmp_path / "a.png"
    Image.new("L", size).save(path)
    if fits:
        assert read_image(path).shape == size[::-1]
    else:
        with pytest.raises(BadData, match=f"only {size[0]} x {size[1]} pixels"):
            read_image(path)


def test_the_smallest_image_of_a_set_is_the_one_with_the_shortest_side(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name, size in (("a", (30, 90)), ("b", (80, 28)), ("c", (40, 40))):
        Image.new("L", size).save(tmp_path / "set" / f"{name}.png")
    found = inventory("set", tmp_path)
    assert (found.smallest, found.largest) == ((80, 28), (30, 90))
