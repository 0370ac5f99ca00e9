"""The paper's findings, on the published numbers."""

from __future__ import annotations

import itertools

import moocore
import numpy as np
import pandas as pd
import pytest
from paretoset import paretoset

from analysis.measures.agreement import spearman
from analysis.pareto import draw
from analysis.reading.results import Results, gather
from analysis.reading.selection import Selection
from results_db.store import Store

METRIC = "psnr:BSDS100"


@pytest.fixture(scope="module")
def results(published_store: Store) -> Results:
    return gather(published_store)


def frontier_of(results: Results, device: str, scale: int) -> list[str]:
    """Families along the frontier that the chart draws, fastest first."""
    (panel,) = draw(gather_like(results, scale), Selection(device=device, metric=METRIC))[1].frontiers
    return [config.split("_")[0] for config in panel]


def gather_like(results: Results, scale: int) -> Results:
    from dataclasses import replace

    table = results.table
    return replace(results, table=table[table["scale"] == scale], planned={scale: results.planned[scale]})


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_on_the_xavier_esr_max_is_fast_esr_tm_and_tr_are_in_the_middle_and_espcn_is_best(
    results: Results, scale: int
) -> None:
    families = frontier_of(results, "AGX", scale)
    place = {family: [i for i, f in enumerate(families) if f == family] for family in set(families)}
    middle = place.get("eSR-TM", []) + place.get("eSR-TR", [])
    # The one fastest point of x3 is a one-template eSR-TM, which computes what an eSR-MAX of one template does.
    assert "eSR-MAX" in families[:2]
    assert np.mean(place["eSR-MAX"]) < np.mean(middle) < np.mean(place["ESPCN"])
    assert families[-1] == "ESPCN"


def test_bicubic_is_on_the_raspberry_pi_x4_frontier_at_its_fast_end(results: Results) -> None:
    assert frontier_of(results, "RPI", 4)[0] == "Bicubic"


def test_the_frontiers_drawn_are_those_of_moocore_and_paretoset(results: Results) -> None:
    drawn = iter(draw(results, Selection(metric=METRIC))[1].frontiers)
    for device, scale in itertools.product(results.devices, results.scales):
        table = results.table
        mine = table[(table["device"] == device) & (table["scale"] == scale)]
        points = mine[["fps", METRIC]].to_numpy()
        ids = next(drawn)
        kept = moocore.is_nondominated(points, maximise=True, keep_weakly=True)
        assert set(ids) == set(mine["config"][kept])
        assert set(ids) == set(mine["config"][paretoset(points, sense=["max", "max"], distinct=False)])


def test_speed_ranks_agree_only_partly_between_the_xavier_and_the_raspberry_pi(results: Results) -> None:
    found = []
    for scale in results.scales:
        wide = results.table[results.table["scale"] == scale].pivot(index="config", columns="device", values="fps")
        found.append(spearman(wide["AGX"].to_numpy(), wide["RPI"].to_numpy()))
    assert [round(value, 2) for value in (min(found), max(found))] == [0.67, 0.77]


def test_parameters_are_a_poor_stand_in_for_speed(results: Results) -> None:
    table: pd.DataFrame = results.table
    found = [
        -spearman(mine["parameters"].to_numpy(), mine["fps"].to_numpy())
        for _, mine in table.groupby(["device", "scale"])
    ]
    assert max(found) < 0.9
