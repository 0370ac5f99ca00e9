"""Image sets by name: the embedded default, folders under a data root, and what is in them."""

import numpy as np
import pytest
from PIL import Image

from search_space.errors import BadData
from workers.data import datasets
from workers.data.embedded import TEST, TRAIN, embedded

RANDOM = np.random.default_rng(0)


def make_set(root, name, count=2):
    (root / name).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(RANDOM.integers(0, 256, (30, 26 + i, 3), dtype=np.uint8)).save(root / name / f"{i}.png")


def test_the_embedded_sets_do_not_overlap_and_need_no_network(monkeypatch):
    monkeypatch.setattr("socket.socket", None)
    embedded.cache_clear()
    train, test = datasets.resolve("embedded-train"), datasets.resolve("embedded-test")
    assert set(TRAIN).isdisjoint(TEST) and train.names == TRAIN and test.names == TEST
    scenes = {p.tobytes() for p in train.pixels} | {p.tobytes() for p in test.pixels}
    assert len(scenes) == len(TRAIN) + len(TEST)


def test_without_a_data_root_the_embedded_photographs_are_used():
    assert datasets.training_set().name == "embedded-train"
    assert [s.name for s in datasets.test_sets()] == ["embedded-test"]


def test_under_a_data_root_the_papers_sets_are_used_as_far_as_they_are_there(tmp_path):
    for name in ("T91", "General100", "BSDS100", "Set5", "holiday"):
        make_set(tmp_path, name)
    training = datasets.training_set((), tmp_path)
    assert training.name == "T91+General100" and training.names == (
        "T91/0.png",
        "T91/1.png",
        "General100/0.png",
        "General100/1.png",
    )
    assert [s.name for s in datasets.test_sets((), tmp_path)] == ["Set5", "BSDS100"]


def test_one_training_set_alone_keeps_its_own_name(tmp_path):
    make_set(tmp_path, "General100")
    assert datasets.training_set((), tmp_path).name == "General100"


def test_sets_can_be_chosen_by_name_and_a_repeated_name_counts_once(tmp_path):
    make_set(tmp_path, "mine")
    make_set(tmp_path, "yours")
    assert len(datasets.training_set(("mine", "yours", "mine"), tmp_path)) == 4
    assert [s.name for s in datasets.test_sets(("yours", "embedded-test"), tmp_path)] == ["yours", "embedded-test"]


def test_a_set_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    make_set(tmp_path, "Set5")
    with pytest.raises(BadData, match=r"no image set 'Set6' .*there is: Set5"):
        datasets.resolve("Set6", tmp_path)
    with pytest.raises(BadData, match=r"none of the training sets T91, General100 .*there is: Set5"):
        datasets.training_set((), tmp_path)
    with pytest.raises(BadData, match=r"'Set5' needs --data-root"):
        datasets.resolve("Set5")
    with pytest.raises(BadData, match="no embedded image set"):
        datasets.resolve("embedded-validation")
    with pytest.raises(BadData, match="there is no data folder"):
        datasets.training_set((), tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(BadData, match="not the name of an image set"):
        datasets.resolve(name, tmp_path)


def test_an_inventory_counts_images_and_names_what_is_left_out(tmp_path):
    make_set(tmp_path, "Set5", 3)
    (tmp_path / "Set5" / "readme.txt").write_text("hello")
    found = datasets.inventory("Set5", tmp_path)
    assert (found.images, found.smallest, found.largest) == (3, (26, 30), (28, 30))
    assert found.digest == datasets.resolve("Set5", tmp_path).digest and found.bytes > 0
    assert [s.name for s in found.skipped] == ["readme.txt"]


def test_an_inventory_of_an_unusable_folder_says_why(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no usable image" in (datasets.inventory("empty", tmp_path).error or "")
