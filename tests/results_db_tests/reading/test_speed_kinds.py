"""One rule chooses among speeds of several kinds, for charts, tables, searches and predictions."""

from __future__ import annotations

import pandas as pd

from results_db.reading.speed_kinds import of_most_configs

PROTOCOLS = ("device", "backend", "precision")
"""One protocol is chosen for each of these, as charts do."""


def table(*rows: tuple[str, str | None, str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["config", "device", "backend", "precision", "speed_protocol", "fps"])


def test_the_protocol_of_most_configs_is_used_for_each_device_backend_and_precision() -> None:
    frame = table(
        ("a", "pi", "eager", "fp32", "full", 1.0),
        ("b", "pi", "eager", "fp32", "full", 2.0),
        ("a", "pi", "eager", "fp32", "quick", 3.0),
        ("a", "pi", "onnx", "fp32", "quick", 4.0),
        ("a", "gpu", "eager", "fp16", "quick", 5.0),
    )
    assert of_most_configs(frame, PROTOCOLS, ("speed_protocol",)).tolist() == [True, True, False, True, True]


def test_one_kind_stands_for_a_device_where_that_is_asked_for() -> None:
    frame = table(
        ("a", "pi", "eager", "fp32", "full", 1.0),
        ("a", "pi", "onnx", "fp32", "full", 2.0),
        ("b", "pi", "onnx", "fp32", "full", 3.0),
        ("a", "gpu", "eager", "fp32", "full", 4.0),
    )
    assert of_most_configs(frame).tolist() == [False, True, True, True]


def test_of_equals_the_kind_that_was_stored_last_is_used() -> None:
    frame = table(("a", "pi", "eager", "fp32", "full", 1.0), ("a", "pi", "eager", "fp32", "quick", 2.0))
    assert of_most_configs(frame, PROTOCOLS, ("speed_protocol",)).tolist() == [False, True]


def test_repeats_of_a_config_count_once_and_what_was_not_measured_not_at_all() -> None:
    frame = table(
        ("a", "pi", "eager", "fp32", "full", 1.0),
        ("a", "pi", "eager", "fp32", "full", 1.0),
        ("c", "pi", "eager", "fp32", "full", float("nan")),
        ("a", "pi", "eager", "fp32", "quick", 2.0),
        ("b", "pi", "eager", "fp32", "quick", 2.0),
        ("d", None, "", "", "", float("nan")),
    )
    assert of_most_configs(frame).tolist() == [False, False, False, True, True, False]
