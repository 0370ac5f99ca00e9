from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.pareto import draw
from analysis.reading.results import between_seeds, gather, gather_means, with_spread
from analysis.reading.selection import Selection
from results_db.records import Source
from results_db.store import Store
from search_space import Config, parse_id
from search_space.costs.describe import describe
from search_space.errors import SweepError
from search_space.facts import Done, Speed, TrialKey
from sweep.api.choosing import best
from tests.analysis_tests import kit


def test_every_finished_model_has_its_parameters_and_macs(sweep_store: Store) -> None:
    results = gather(sweep_store)
    assert results.source == "ours" and results.protocol == "y-test"
    row = results.table[results.table["config"] == "eSR-TM_s2_K5_C4"].iloc[0]
    assert (row["parameters"], row["macs_full_hd"]) == (800, describe(parse_id("eSR-TM_s2_K5_C4")).macs_full_hd)
    assert results.metrics[:2] == ["psnr:Set5", "psnr:Set14"]
    assert results.devices == ["board", "laptop"]


def test_a_half_finished_sweep_says_how_much_is_missing(sweep_store: Store) -> None:
    ask = Selection(device="board")
    _, drawn = draw(gather(sweep_store, ask), ask)
    assert (drawn.shown, drawn.planned) == (28, 30)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Selection(device="toaster"), "there is board, laptop"),
        (Selection(source="published"), "there is ours"),
        (Selection(scales=(5,)), "there is 2, 3, 4"),
        (Selection(families=("VDSR",)), "there is .*eSR-TM"),
        (Selection(protocol="x"), "there is y-test"),
        (Selection(sweep="other"), "demo"),
    ],
)
def test_a_choice_that_is_not_there_is_refused_with_what_is(sweep_store: Store, ask: Selection, said: str) -> None:
    with pytest.raises(SweepError, match=said):
        gather(sweep_store, ask)


def test_a_metric_or_cost_that_nobody_has_is_refused(sweep_store: Store) -> None:
    results = gather(sweep_store)
    assert results.metric("ssim").column == "ssim:Set5"
    with pytest.raises(SweepError, match="choose from psnr:Set5"):
        results.metric("psnr:Nowhere")
    with pytest.raises(SweepError, match="no model here has a measurement of memory"):
        results.cost("memory")
    with pytest.raises(SweepError, match="choose from fps"):
        results.cost("price")


def test_a_store_without_results_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "empty.db")) as store:
        kit.plan(store)
        with pytest.raises(SweepError, match="sweep run"):
            gather(store)


def test_energy_is_power_over_speed_only_where_nobody_measured_it(sweep_store: Store) -> None:
    results = gather(sweep_store, Selection(device="board"))
    row = results.table.iloc[0]
    assert results.derived_energy and row["energy_j"] == pytest.approx(row["power_w"] / row["fps"])


def test_seeds_are_averaged_and_sources_never_mixed(tmp_path: Path) -> None:
    config = parse_id("eSR-TM_s2_K5_C4")
    with Store.open(str(tmp_path / "two.db")) as store:
        sweep = store.create_sweep("seeds", "demo", "{}")
        store.plan(sweep, [TrialKey(config.id, seed, "recipe", "data", "code") for seed in (0, 1)])
        for i, claim in enumerate(store.claim([row.id for row in store.missing(sweep)], "test", 60)):
            figures = kit.worse(kit.qualities(config), by=i)
            store.record([Done(claim.trial, claim.attempt, figures, (), 1.0, 10, "node")])
        other = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        store.add_qualities(other, kit.worse(kit.qualities(config), by=9), Source.PUBLISHED)
        ours, theirs = gather(store), gather(store, Selection(source="published"))
    best = kit.qualities(config)[0].value
    assert (len(ours.table), ours.repeats) == (1, 2)
    assert ours.table["psnr:Set5"].item() == pytest.approx(best - 0.5)
    assert theirs.table["psnr:Set5"].item() == pytest.approx(best - 9)


def test_a_family_that_is_not_loaded_here_is_drawn_without_its_costs(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "strange.db")) as store:
        sweep = store.create_sweep("strange", "mine", "{}")
        store.plan(sweep, [TrialKey("MyNet_s2_K3", 0, "recipe", "data", "code")])
        (claim,) = store.claim([store.missing(sweep)[0].id], "test", 60)
        store.record([Done(claim.trial, claim.attempt, kit.qualities(parse_id("Bicubic_s2")), (), 1.0, 10, "node")])
        results = gather(store)
    assert results.table["family"].tolist() == ["MyNet"] and results.table["parameters"].isna().all()


@pytest.mark.parametrize(
    "ask",
    [
        Selection(),
        Selection(device="board"),
        Selection(metric="psnr:Set5"),
        Selection(metric="ssim", scales=(2,)),
        Selection(families=("ESPCN",)),
    ],
)
def test_a_chart_sees_what_a_table_sees(sweep_store: Store, ask: Selection) -> None:
    whole, means = gather(sweep_store, ask), gather_means(sweep_store, ask)
    assert (whole.source, whole.protocol, whole.planned, whole.repeats) == (
        means.source,
        means.protocol,
        means.planned,
        means.repeats,
    )
    assert whole.metric(ask.metric) == means.metric(ask.metric)
    shared = [column for column in means.table.columns if column in whole.table.columns]
    assert {"fps", "power_w", "parameters", "seconds", means.metric(ask.metric).column} <= set(shared)
    pd.testing.assert_frame_equal(means.table[shared], whole.table[shared], check_dtype=False)


def test_speeds_of_two_protocols_are_never_mixed(tmp_path: Path) -> None:
    models = [parse_id(name) for name in ("eSR-TM_s2_K5_C4", "eSR-MAX_s2_K3_C2", "ESPCN_s2_D4_S3")]

    def speed(config: Config, protocol: str, seconds: float, device: str = "board") -> Speed:
        return Speed(config.id, device, "eager", "fp32", protocol, fps=1 / seconds, seconds_median=seconds)

    with Store.open(str(tmp_path / "two.db")) as store:
        sweep = store.create_sweep("demo", "demo", "{}")
        store.plan(sweep, [TrialKey(config.id, 0, "recipe", "data", "code") for config in models])
        for claim in store.claim([row.id for row in store.missing(sweep)], "test", 60):
            store.record(
                [Done(claim.trial, claim.attempt, kit.qualities(parse_id(claim.key.config)), (), 1.0, 10, "n")]
            )
        store.add_speeds([speed(one, "fullhd14", 0.1) for one in models[:2]])
        store.add_speeds([speed(one, "qhd5", 0.02) for one in models[2:]])
        store.add_speeds([speed(models[0], "qhd5", 0.02, device="laptop")])
        for found in (gather(store, Selection(device="board")), gather_means(store, Selection(device="board"))):
            known = dict(zip(found.table["config"], found.table["fps"], strict=True))
            assert [known[one.id] for one in models[:2]] == pytest.approx([10, 10])
            assert known[models[2].id] != known[models[2].id], "a model without such a speed is there, without a speed"
            assert found.table["psnr:Set5"].notna().all() and len(found.table) == 3
        chosen = gather(store, Selection(device="board", speed_protocol="qhd5")).table
        assert chosen.set_index("config")["fps"].dropna().to_dict() == {models[2].id: pytest.approx(50)}
        with pytest.raises(SweepError, match=r"no speed protocol 'uhd14' .*there is fullhd14, qhd5"):
            gather(store, Selection(speed_protocol="uhd14"))


def test_repeats_count_seeds_of_a_mean(tmp_path: Path) -> None:
    config = parse_id("eSR-TM_s2_K5_C4")
    with Store.open(str(tmp_path / "two.db")) as store:
        sweep = store.create_sweep("seeds", "demo", "{}")
        store.plan(sweep, [TrialKey(config.id, seed, "recipe", "data", "code") for seed in (0, 1, 2)])
        for i, claim in enumerate(store.claim([row.id for row in store.missing(sweep)], "test", 60)):
            figures = kit.worse(kit.qualities(config), by=i) if i < 2 else ()
            store.record([Done(claim.trial, claim.attempt, figures, (), 1.0, 10, "node")])
        whole, means = gather(store), gather_means(store, Selection())
    assert whole.repeats == means.repeats == 3
    assert len(whole.table) == len(means.table) == 1
    assert whole.table["psnr:Set5"].item() == pytest.approx(means.table["psnr:Set5"].item())


def test_the_spread_between_seeds_is_known_to_the_chart_and_to_best(tmp_path: Path) -> None:
    configs = [parse_id("eSR-TM_s2_K5_C4"), parse_id("eSR-MAX_s2_K3_C2"), parse_id("eSR-MAX_s3_K3_C2")]
    with Store.open(str(tmp_path / "seeds.db")) as store:
        sweep = store.create_sweep("seeds", "demo", "{}")
        keys = [TrialKey(config.id, seed, "recipe", "data", "code") for config in configs[:2] for seed in (0, 1)]
        store.plan(sweep, [*keys, TrialKey(configs[2].id, 0, "recipe", "data", "code")])
        for claim in store.claim([row.id for row in store.missing(sweep)], "test", 60):
            figures = kit.worse(kit.qualities(parse_id(claim.key.config)), by=0.2 * claim.key.seed)
            store.record([Done(claim.trial, claim.attempt, figures, (), 1.0, 10, "node")])
        store.add_speeds([kit.speed(config, "board") for config in configs])
        ask = Selection(metric="psnr:Set5")
        whole, means = gather(store), with_spread(store, ask, gather_means(store, ask))
        figure, _ = draw(means, ask)
        found = best(store, scale=2, metric="psnr:Set5")
        alone = best(store, scale=3, metric="psnr:Set5")
    # Two values 0.2 apart have a standard deviation of 0.1 times the root of two.
    assert whole.spread[2, "psnr:Set5"] == means.spread[2, "psnr:Set5"]
    assert whole.spread[2, "psnr:Set5"] == {"": pytest.approx(0.1 * 2**0.5), "Bicubic": 0.0}
    assert (3, "psnr:Set5") not in whole.spread, "one seed says nothing of the spread"
    assert sorted(whole.table["repeats"]) == [1, 2, 2]
    assert any("bars: standard error over seeds" in text.get_text() for text in figure.texts)
    assert all(0 < row["sure"] <= 1 for row in found.frontier)
    assert [row["sure"] for row in alone.frontier] == [None]


def test_a_family_with_enough_configs_has_a_spread_of_its_own() -> None:
    steady = [f"eSR-TM_s2_K3_C{c}" for c in (1, 2, 3)]
    rows = [
        (name, 30 + seed * (0.001 if name in steady else 1.0))
        for name in (*steady, "ESPCN_s2_D0_S3")
        for seed in (0, 1)
    ]
    table = pd.DataFrame({"config": [name for name, _ in rows], "psnr:Set5": [value for _, value in rows]})
    table = table.assign(trial=range(len(rows)), scale=2, family=[name.split("_")[0] for name, _ in rows])
    (of,) = between_seeds(table).values()
    assert of.keys() == {"", "eSR-TM", "Bicubic"}
    assert of["eSR-TM"] == pytest.approx(0.001 / 2**0.5) and of[""] == pytest.approx(0.5 / 2**0.5, rel=0.01)


def test_a_metric_that_only_another_source_has_is_shown_from_there_unless_a_source_is_asked_for(tmp_path: Path) -> None:
    config = parse_id("eSR-TM_s2_K5_C4")
    psnr, _, ssim = kit.qualities(config)
    with Store.open(str(tmp_path / "two.db")) as store:
        sweep = store.create_sweep("ours", "demo", "{}")
        store.plan(sweep, [TrialKey(config.id, 0, "recipe", "data", "code")])
        (claim,) = store.claim([row.id for row in store.missing(sweep)], "test", 60)
        store.record([Done(claim.trial, claim.attempt, (ssim,), (), 1.0, 10, "node")])
        other = store.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        store.add_qualities(other, (psnr,), Source.PUBLISHED)
        assert gather_means(store, Selection()).metric(None).column == "ssim:Set5"
        with pytest.raises(SweepError, match="choose from ssim:Set5"):
            gather_means(store, Selection(metric="psnr:Set5", source="ours")).metric("psnr:Set5")
        for read in (gather, gather_means):
            shown = read(store, Selection(metric="psnr:Set5"))
            assert (shown.source, shown.others) == ("published", {"ours": 1})
