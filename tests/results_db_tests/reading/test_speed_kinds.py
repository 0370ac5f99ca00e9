"""Of several kinds of speed, the kind of most configs is meant, for each device by itself."""

from __future__ import annotations

import pandas as pd

from results_db.reading.speed_kinds import of_most_configs

COLUMNS = ["config", "device", "backend", "precision", "speed_protocol", "fps"]


def table(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def test_the_kind_of_most_configs_is_chosen_and_seeds_do_not_count():
    frame = table(
        ("a", "x", "eager", "fp32", "qhd5", 1.0),
        ("a", "x", "eager", "fp32", "qhd5", 1.0),
        ("a", "x", "eager", "fp32", "qhd5", 1.0),
        ("a", "x", "onnxruntime", "fp32", "qhd5", 1.0),
        ("b", "x", "onnxruntime", "fp32", "qhd5", 1.0),
    )
    assert of_most_configs(frame).tolist() == [False, False, False, True, True]


def test_each_device_has_its_own_kind():
    frame = table(
        ("a", "x", "eager", "fp32", "qhd5", 1.0),
        ("a", "y", "eager", "fp16", "uhd14", 1.0),
        ("b", "y", "eager", "fp16", "uhd14", 1.0),
    )
    assert of_most_configs(frame).all()


def test_a_row_without_a_speed_is_of_no_kind_and_keeps_its_place_in_the_index():
    frame = table(("a", None, None, None, None, None), ("b", "x", "eager", "fp32", "qhd5", 1.0)).set_axis([7, 9])
    assert of_most_configs(frame).to_dict() == {7: False, 9: True}


def test_of_kinds_with_equally_many_configs_the_one_that_comes_last_is_chosen():
    frame = table(("a", "x", "eager", "fp32", "qhd5", 1.0), ("b", "x", "eager", "fp32", "uhd14", 1.0))
    assert of_most_configs(frame).tolist() == [False, True]
