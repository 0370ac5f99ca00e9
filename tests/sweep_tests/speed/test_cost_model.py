import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.measures.hypervolume import hypervolume
from results_db.records import Source
from results_db.store import Store
from search_space.config import Config
from search_space.costs.describe import describe
from search_space.errors import BadData, SweepError
from search_space.facts import Quality, Speed
from search_space.spaces import load_space
from sweep.cli.main import app
from sweep.speed.cost_model import CostModel, Prediction, accuracy, cross_validated, first_sample, suggest
from sweep.speed.next_to_measure import suggest_frontier

PAPER = load_space("paper").configs


def seconds(config: Config) -> float:
    """A device made up for the test: arithmetic and traffic, neither of which is a feature as it stands."""
    about = describe(config)
    writes = sum(conv.c_out for conv in config.convs() or ()) / config.scale**2
    return 1e-3 + about.macs_full_hd / 4e10 + writes * 2e-3 * math.sqrt(config.scale)


def test_a_few_dozen_configs_predict_the_other_thousand() -> None:
    train = first_sample(PAPER, 60)
    rest = [c for c in PAPER if c not in set(train)]
    found = accuracy(CostModel(train, [seconds(c) for c in train]).predict(rest), [seconds(c) for c in rest])
    assert found.median_error < 0.1
    assert found.spearman > 0.97


def test_a_prediction_far_from_what_was_measured_is_less_sure() -> None:
    near = [c for c in PAPER if c.family == "eSR-MAX"]
    model = CostModel(near, [seconds(c) for c in near])
    known, strange = model.predict([near[10]])[0], model.predict([c for c in PAPER if c.family == "FSRCNN"][-1:])[0]
    assert strange.deviation > 2 * known.deviation
    low, high = known.interval
    assert low < known.seconds < high


def test_suggestions_are_new_different_and_spread_over_the_space() -> None:
    train = [c for c in PAPER if c.family == "eSR-MAX"][:30]
    model = CostModel(train, [seconds(c) for c in train])
    left = [c for c in PAPER if c not in set(train)][::5]
    picked = suggest(model, left, 10)
    assert len(set(picked)) == 10
    assert not set(picked) & set(train)
    assert len({c.family for c in picked}) > 1


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(SweepError, match="at least 8"):
        CostModel(PAPER[:3], [1.0, 2.0, 3.0])


def test_cross_validation_predicts_each_config_once() -> None:
    some = first_sample(PAPER, 30)
    assert cross_validated(some, [seconds(c) for c in some]).n == 30


def quality_of(config: Config) -> float:
    """Made up: more arithmetic gives a better image, and some families make more of it."""
    return 30 + math.log10(describe(config).macs_full_hd) + 0.1 * len(config.family)


def test_the_frontier_is_found_with_far_fewer_measurements_than_at_random() -> None:
    space = [c for c in PAPER if c.scale == 2]
    fps, quality = {c: 1 / seconds(c) for c in space}, {c.id: quality_of(c) for c in space}
    points = {c: (math.log10(fps[c]), quality[c.id]) for c in space}
    floor = [min(p[i] for p in points.values()) for i in (0, 1)]
    whole = hypervolume(list(points.values()), floor)
    known = first_sample(space, 24)
    at_random = first_sample(space, 48, seed=1)
    for _ in range(2):
        model = CostModel(known, [1 / fps[c] for c in known])
        left = [c for c in space if c not in set(known)]
        picked = suggest_frontier(model, {c: fps[c] for c in known}, left, quality, 12)
        assert len(set(picked)) == 12
        assert not set(picked) & set(known)
        known += picked
    covered = hypervolume([points[c] for c in known], floor) / whole
    assert covered > 0.99
    assert covered > hypervolume([points[c] for c in at_random], floor) / whole


def test_configs_without_a_quality_are_not_asked_for() -> None:
    some = first_sample(PAPER, 24)
    model = CostModel(some, [seconds(c) for c in some])
    left = [c for c in PAPER if c not in set(some)][:40]
    picked = suggest_frontier(model, {c: 1 / seconds(c) for c in some}, left, {c.id: 30.0 for c in left[:5]}, 12)
    assert set(picked) == set(left[:5])


def test_the_command_asks_for_what_could_be_on_the_frontier(tmp_path: Path) -> None:
    db = str(tmp_path / "s.db")
    space = [c for c in PAPER if c.scale == 2]
    some = first_sample(space, 24)
    found = [Quality(c.id, "Set5", "psnr", quality_of(c), "dB", "made-up", ()) for c in space]
    with Store.open(db) as store:
        store.add_speeds([Speed(c.id, "pi", "eager", "fp32", "fullhd14", 1 / seconds(c)) for c in some])
        number = store.create_sweep("made up", "table", "{}", "unknown", source=Source.RE_EVALUATED)
        store.add_qualities(number, found, Source.RE_EVALUATED)
    args = ["cost", "--db", db, "--suggest", "7", "--frontier", "--metric", "psnr:Set5"]
    picked = CliRunner().invoke(app, args)
    assert picked.exit_code == 0, picked.output
    known = {c: 1 / seconds(c) for c in some}
    model = CostModel(some, list(map(seconds, some)))
    left = [c for c in space if c not in set(some)]
    wanted = suggest_frontier(model, known, left, {c.id: quality_of(c) for c in space}, 7)
    assert set(picked.stdout.split()) == {c.id for c in wanted}
    alone = CliRunner().invoke(app, ["cost", "--db", db, "--frontier"])
    assert isinstance(alone.exception, BadData)
    strange = CliRunner().invoke(app, [*args[:-1], "psnr:Nowhere"])
    assert "choose from psnr:Set5" in str(strange.exception)


def test_the_command_predicts_from_the_store_and_suggests_ids(tmp_path: Path) -> None:
    db = str(tmp_path / "s.db")
    some = first_sample(PAPER, 24)
    speeds = [Speed(c.id, "pi", "eager", "fp32", "fullhd14", 1 / seconds(c)) for c in some]
    with Store.open(db) as store:
        store.add_speeds(speeds)
    found = json.loads(CliRunner().invoke(app, ["cost", "--db", db, "--scale", "2", "--json"]).stdout)
    assert found["measured"] == 24
    assert len(found["predictions"]) == 395
    assert all(row["fps_low"] < row["fps"] < row["fps_high"] for row in found["predictions"])
    picked = CliRunner().invoke(app, ["cost", "--db", db, "--suggest", "5"]).stdout.split()
    assert len(picked) == 5
    assert not {s.config for s in speeds} & set(picked)
    noisy = [replace(one, detail={"disturbed": True}) for one in speeds[:4]]
    with Store.open(db) as store:
        store.add_speeds(noisy)
    told = CliRunner().invoke(app, ["cost", "--db", db, "--scale", "2", "--json"])
    assert (json.loads(told.stdout)["measured"], json.loads(told.stdout)["disturbed"]) == (24, 4)
    assert "4 of 24 speeds disturbed" in told.stderr and "repeat on pi: sweep benchmark --disturbed" in told.stderr
    quiet = CliRunner().invoke(app, ["cost", "--db", db, "--scale", "2", "--json", "--undisturbed-only"])
    assert (json.loads(quiet.stdout)["measured"], json.loads(quiet.stdout)["disturbed"]) == (20, 0)
    assert "disturbed" not in quiet.stderr
    asked = CliRunner().invoke(app, ["cost", "--db", db, "--suggest", "5"])
    assert len(asked.stdout.split()) == 5 and "4 of 24 speeds disturbed" in asked.stderr
    with Store.open(db) as store:
        store.add_speeds([Speed(some[0].id, "gpu", "eager", "fp16", "fullhd14", 9.0)])
    result = CliRunner().invoke(app, ["cost", "--db", db])
    assert isinstance(result.exception, BadData)
    assert "gpu" in str(result.exception)


ESPCN = [config for config in PAPER if config.family == "ESPCN" and config.scale == 2]


def test_the_interval_holds_90_percent_of_a_log_normal() -> None:
    low, high = Prediction("a", 2.0, 0.1).interval
    outcomes = NormalDist(math.log(2.0), 0.1)
    assert outcomes.cdf(math.log(low)) == pytest.approx(0.05, abs=2e-4)
    assert outcomes.cdf(math.log(high)) == pytest.approx(0.95, abs=2e-4)


def test_coverage_counts_the_measurements_inside_their_own_interval() -> None:
    predictions = [Prediction("a", 1.0, 0.1)] * 4
    found = accuracy(predictions, [1.0, 1.17, 1.19, 0.5])
    assert found.covered == pytest.approx(0.5)
    assert found.median_error == pytest.approx((1 - 1 / 1.17 + 1 - 1 / 1.19) / 2)


def test_configs_that_share_a_scale_a_family_and_a_depth_give_finite_predictions() -> None:
    seconds = [1e-9 * describe(config).macs_full_hd for config in ESPCN[:20]]
    model = CostModel(ESPCN[:20], seconds)
    for one, truth in zip(
        model.predict(ESPCN[20:30]), [1e-9 * describe(c).macs_full_hd for c in ESPCN[20:30]], strict=True
    ):
        assert math.isfinite(one.seconds) and math.isfinite(one.deviation)
        assert one.seconds == pytest.approx(truth, rel=0.25)


def test_equal_times_are_predicted_as_that_time_and_not_as_noise() -> None:
    model = CostModel(ESPCN[:10], [0.25] * 10)
    for one in model.predict(ESPCN[30:40]):
        assert one.seconds == pytest.approx(0.25, rel=1e-3)
        assert 0 <= one.deviation < 0.01


def test_the_process_bends_what_the_straight_line_leaves() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 20)
    seconds = [1e-9 * describe(c).macs_full_hd * math.exp(e) for c, e in zip(ESPCN[:20], noise, strict=True)]
    model = CostModel(ESPCN[:20], seconds)
    rest = np.log(seconds) - model.offset - model.scaled(ESPCN[:20]) @ model.line
    assert model.height == pytest.approx(rest.std()) and 0.05 < model.height < 0.5


def test_features_are_scaled_to_the_measured_configs() -> None:
    model = CostModel(PAPER[::40], [1.0 + i for i in range(len(PAPER[::40]))])
    scaled = model.scaled(PAPER[::40])
    assert np.allclose(scaled.mean(0), 0, atol=1e-9)
    assert np.allclose(scaled.std(0), 1, atol=1e-9)


def test_a_model_of_too_few_or_unequal_lists_is_refused() -> None:
    with pytest.raises(SweepError, match="at least 8 measured configs, there are 7"):
        CostModel(ESPCN[:7], [1.0] * 7)
    with pytest.raises(SweepError):
        CostModel(ESPCN[:9], [1.0] * 8)
