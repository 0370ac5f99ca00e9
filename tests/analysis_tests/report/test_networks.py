"""Which networks the page holds."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import nn

from analysis.reading.results import gather
from analysis.reading.selection import Selection
from analysis.report.content import content
from analysis.report.samples import Samples
from analysis.report.viewer.networks import SIDE, Networks, on_a_frontier, sample
from analysis.report.viewer.which import Which
from results_db.store import Store
from search_space.errors import BadData


def written(module: nn.Module, scale: int) -> dict[str, Any]:
    return {"scale": scale, "parameters": sum(p.numel() for p in module.parameters())}


def made(store: Store, which: Which, **chosen: Any) -> dict[str, Any]:
    found = [gather(store)]
    return Networks(which, "", written).made(store, found, Selection(**chosen), found[0].metrics)


def test_the_frontier_is_inside_by_default_with_the_bicubic_of_each_scale(sweep_store: Store) -> None:
    inside = made(sweep_store, Which.FRONTIER)["models"]
    results = gather(sweep_store)
    members = set(on_a_frontier(results.table, results.metrics))
    assert members < set(results.table["config"])
    assert set(inside) == members | {f"Bicubic_s{scale}" for scale in (2, 3, 4)}
    assert all(one["scale"] == int(config.split("_s")[1][0]) for config, one in inside.items())


def test_all_of_them_or_none_can_be_asked_for(sweep_store: Store) -> None:
    assert set(made(sweep_store, Which.ALL)["models"]) >= set(gather(sweep_store).table["config"])
    assert made(sweep_store, Which.NONE) == {}
    assert content(sweep_store, samples=Samples(0)).networks == {}


def test_a_frontier_is_that_of_each_device_and_metric_and_of_parameters_without_speeds() -> None:
    table = pd.DataFrame({
        "config": ["quick", "good", "beaten", "quick", "good", "beaten"],
        "scale": 2,
        "device": ["a", "a", "a", "b", "b", "b"],
        "fps": [9.0, 5.0, 4.0, 9.0, 5.0, 7.0],
        "parameters": [3, 1, 2, 3, 1, 2],
        "psnr:x": [30.0, 31.0, 30.5, 30.0, 31.0, 30.5],
        "lpips:x": [0.3, 0.2, 0.2, 0.3, 0.2, 0.2],
    })  # fmt: skip
    assert on_a_frontier(table[table["device"] == "a"], ["psnr:x"]) == ["quick", "good"]
    assert set(on_a_frontier(table, ["psnr:x"])) == {"quick", "good", "beaten"}
    assert on_a_frontier(table[table["device"] == "a"], ["lpips:x"]) == ["quick", "good"]
    assert on_a_frontier(table.assign(fps=float("nan")), ["psnr:x"]) == ["good"]


def test_a_network_that_the_page_cannot_run_is_left_out_with_the_reason(sweep_store: Store) -> None:
    def refused(module: nn.Module, scale: int) -> dict[str, Any]:
        if type(module).__name__ == "SubPixelCNN":
            raise BadData("no shader form")
        return written(module, scale)

    found = [gather(sweep_store)]
    inside = Networks(Which.ALL, "", refused).made(sweep_store, found, Selection(), found[0].metrics)
    assert inside["left_out"] and set(inside["left_out"].values()) == {"no shader form"}
    assert all(config.startswith("ESPCN_") for config in inside["left_out"])
    assert not inside["left_out"].keys() & inside["models"].keys()


@pytest.mark.parametrize("size", [(300, 260), (50, 400)])
def test_the_picture_is_a_piece_of_the_one_that_was_chosen(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    found = sample(Selection(image=tmp_path / "mine.png", crop=(10, 20, 30, 40)))
    piece = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["png"].split(",")[1]))))
    assert found["name"] == "mine" and piece.shape == (min(SIDE, size[1]), min(SIDE, size[0]), 3)
    assert np.array_equal(piece, pixels[: piece.shape[0], : piece.shape[1]])


def test_the_command_takes_the_choice(sweep: Any, sweep_db: Path, tmp_path: Path) -> None:
    sizes = {}
    for which in ("none", "frontier", "all"):
        out = tmp_path / f"{which}.html"
        status, _, err = sweep("report", "--db", sweep_db, "--out", out, "--crops", 0, "--models", which)
        assert status == 0, err
        sizes[which] = len(out.read_text())
    assert sizes["none"] < sizes["frontier"] < sizes["all"]
    assert sweep("report", "--db", sweep_db, "--out", tmp_path / "x.html", "--models", "some")[0] != 0
