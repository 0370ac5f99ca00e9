"""Images reach workers by Ray's object store, by a shared path, or by URL; wrong ones are noticed."""

from __future__ import annotations

import numpy as np
import pytest

from search_space.errors import BadData
from sweep.executors.image_transport import ByPath, ByUrl, Images, to_archive, transport, unpack
from tests.sweep_tests.kit import images
from workers.data.datasets import test_sets, training_set
from workers.data.image_set import ImageSet


def same(one: Images, other: Images) -> bool:
    pairs = zip((one.train, *one.tests), (other.train, *other.tests), strict=True)
    return one.digest == other.digest and all((a.name, a.names) == (b.name, b.names) for a, b in pairs)


def test_an_archive_gives_back_the_same_images():
    colour = ImageSet("rgb", ("a.png", "ü b.png"), (np.zeros((30, 40, 3), np.uint8), np.ones((31, 29), np.uint8)))
    wanted = Images(images("train", 1), (colour, images("test", 2)))
    assert same(unpack(to_archive(wanted)), wanted)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04junk", b"\x80\x04\x95", to_archive(Images(images("t", 1), ()))[:500]]
)
def test_a_damaged_archive_is_refused(content):
    with pytest.raises(BadData):
        unpack(content)


def test_an_archive_with_a_pickle_in_it_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, **{"0/names": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(BadData):
        unpack(path.read_bytes())


def test_by_url_the_images_are_put_once_and_fetched_by_their_hash(tmp_path):
    wanted = Images(images("train", 1), (images("test", 2),))
    way = transport(wanted, f"file://{tmp_path}/far/away", None)
    assert isinstance(way, ByUrl) and same(way.fetch(), wanted)
    assert transport(wanted, f"file://{tmp_path}/far/away", None) == way
    (file,) = (tmp_path / "far" / "away").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BadData, match="SHA-256 differs"):
        way.fetch()


def test_by_path_another_folder_with_other_images_is_refused(small_data, tmp_path):
    wanted = Images(training_set((), small_data), test_sets((), small_data))
    way = transport(wanted, "path", str(small_data))
    assert isinstance(way, ByPath) and same(way.fetch(), wanted)
    for name in ("T91", "Set5"):
        (tmp_path / name).mkdir()
        first = sorted((small_data / name).iterdir())[0]
        (tmp_path / name / first.name).write_bytes(first.read_bytes())
    with pytest.raises(BadData, match="not those of the driver"):
        ByPath(str(tmp_path), way.train, way.tests, way.digest).fetch()


def test_another_way_is_refused():
    with pytest.raises(BadData, match="--data-via"):
        transport(Images(images("train", 1), ()), "pigeon", None)
