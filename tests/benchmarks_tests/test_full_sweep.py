"""benchmarks/full_sweep.py: what it counts, on made-up numbers; and the images that quality_heldout.py makes."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def full_sweep(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("full_sweep")


def part(name: str, seconds: float, status: int = 0) -> dict[str, object]:
    return {"part": name, "cpu_s": seconds, "status": status}


def test_a_part_that_came_to_its_end_twice_was_trained_again(full_sweep: ModuleType) -> None:
    stopped_and_gone_on = [part("eSR-TM x2", 171.1, 130), part("eSR-TM x2", 121.6), part("eSR-TM x2", 2.0)]
    twice = [part("ESPCN x2", 1196.1), part("ESPCN x2", 1245.0), part("ESPCN x2", 4.0)]
    assert full_sweep.trained_again([*stopped_and_gone_on, *twice]) == {"ESPCN x2": [1196.1, 1245.0]}


def test_a_shifted_bicubic_hides_networks_that_are_below_the_centred_one(full_sweep: ModuleType) -> None:
    ids = {"Bicubic_s2": 33.7, "Bicubic_s3": 29.1, "Bicubic_s4": 28.4}
    ids |= {"eSR-MAX_s3_K3_C1": 30.0, "eSR-MAX_s3_K5_C1": 31.0, "eSR-MAX_s2_K3_C1": 33.0}
    values = {(config, name): db for config, db in ids.items() for name in full_sweep.SETS}
    centred = {(scale, name): db for scale, db in ((2, 33.7), (3, 30.4), (4, 28.4)) for name in full_sweep.SETS}
    assert full_sweep.below_bicubic(values, full_sweep.floors(values))["Set5"] == 1
    mended = full_sweep.x3_centred(values, {**centred, (2, "Set5"): 99.0})
    assert mended[2, "Set5"] == 33.7 and mended[3, "Set5"] == 30.4
    assert full_sweep.below_bicubic(values, mended)["Set5"] == 2


def test_a_difference_says_its_median_least_and_most_by_family(full_sweep: ModuleType) -> None:
    ours = {("ESPCN_s2_D0_S3", "Set5"): 35.0, ("ESPCN_s2_D0_S9", "Set5"): 36.0, ("Bicubic_s2", "Set5"): 33.0}
    theirs = {("ESPCN_s2_D0_S3", "Set5"): 34.0, ("ESPCN_s2_D0_S9", "Set5"): 36.5, ("Bicubic_s2", "Set5"): 0.0}
    found = full_sweep.difference(ours, theirs)
    assert found["by_family"] == {"ESPCN": {"median": 0.25, "least": -0.5, "most": 1.0}}
    assert (found["configs"], found["worst"], found["best_delta_db"]) == (2, ["ESPCN_s2_D0_S9", "Set5"], 1.0)


def test_two_backends_of_a_device_are_compared_by_family_and_other_devices_are_not(full_sweep: ModuleType) -> None:
    ids = ("ESPCN_s2_D0_S3", "ESPCN_s2_D0_S9", "eSR-TM_s2_K3_C1")
    of = {name: dict(zip(ids, fps, strict=True)) for name, fps in
          {"a, eager": (9.0, 4.0, 8.0), "a, onnxruntime": (18.0, 6.0, 4.0), "b, eager": (1.0, 2.0, 3.0),
           "AGX": (3.0, 2.0, 1.0)}.items()}  # fmt: skip
    (row,) = full_sweep.backends(of)
    assert (row["device"], row["over"], row["of"]) == ("a", "eager", "onnxruntime")
    assert (row["faster"], row["configs"], row["rank_correlation"]) == (2, 3, {"x2": 0.5})
    assert row["ratio"]["ESPCN"] == {"median": 1.75, "least": 1.5, "most": 2.0}
    assert row["ratio"]["eSR-TM"]["median"] == 0.5


def test_made_images_are_the_same_every_time_and_ten_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    made = importlib.import_module("_made_images")
    for draw in (made._facade, made._drawing):
        first, again, other = (draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first.shape == (made.SIDE, made.SIDE, 3) and first.dtype == np.uint8
        assert np.array_equal(first, again) and not np.array_equal(first, other)
        assert first.std() > 30
    assert made.COUNT == 10
