from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from results_db.reading import frames
from results_db.records import Added, Source
from results_db.store import Store
from search_space.errors import StoreError
from search_space.facts import Done, Failure, Speed
from tests.results_db_tests.kit.facts import done, failed, planned, quality, speed, weights


def test_a_result_counts_once(store: Store) -> None:
    sweep, trials = planned(store)
    (claim,) = store.claim(trials[:1], "a", 60)
    assert store.record([done(claim)]).accepted == (claim.trial,)
    again = store.record([done(claim)])
    assert (again.accepted, again.fenced) == ((), (claim.trial,))
    assert "already brought its result" in again.reasons[claim.trial]
    assert store.counts(sweep).done == 1


def test_a_write_that_is_repeated_is_told_from_a_late_result(store: Store) -> None:
    _, trials = planned(store, 2)
    first, second = store.claim(trials, "a", 60)
    store.record([failed(first), done(second)])
    assert store.record([failed(first), done(second)]).repeated == (first.trial, second.trial)
    assert store.record([done(first), failed(second)]).repeated == ()
    store.retry([first.trial])
    store.claim([first.trial], "b", 60)
    assert store.record([failed(first)]).repeated == ()


def test_a_result_twice_in_one_batch_counts_once(store: Store) -> None:
    _, trials = planned(store)
    (claim,) = store.claim(trials[:1], "a", 60)
    recorded = store.record([done(claim), done(claim)])
    assert (recorded.accepted, recorded.fenced) == ((claim.trial,), (claim.trial,))


def test_a_late_result_of_an_attempt_that_was_taken_over_is_fenced(store: Store) -> None:
    _, trials = planned(store, 1)
    (old,) = store.claim(trials, "a", -1)
    (new,) = store.claim(trials, "b", 60)
    late = store.record([done(old, value=1.0)])
    assert late.fenced == (old.trial,)
    assert late.reasons[old.trial] == "late: attempt 1 was taken over by attempt 2"
    assert store.record([done(new, value=33.0)]).accepted == (new.trial,)
    assert frames.results(store)["psnr:Set5"].tolist() == [33.0]
    assert [event.kind for event in store.events(old.trial)] == ["expired", "fenced"]


def test_a_late_result_that_nobody_took_over_is_kept(store: Store) -> None:
    sweep, trials = planned(store, 1)
    (claim,) = store.claim(trials, "a", -1)
    store.expire_leases()
    assert store.record([done(claim)]).accepted == (claim.trial,)
    assert store.counts(sweep).done == 1


def test_a_late_failure_is_fenced(store: Store) -> None:
    sweep, trials = planned(store, 1)
    (claim,) = store.claim(trials, "a", -1)
    store.expire_leases()
    assert store.record([failed(claim)]).fenced == (claim.trial,)
    assert store.counts(sweep).pending == 1


def test_a_result_after_a_retry_was_asked_for_is_fenced(store: Store) -> None:
    _, trials = planned(store, 1)
    (claim,) = store.claim(trials, "a", 60)
    store.record([failed(claim)])
    store.retry()
    assert store.record([done(claim)]).fenced == (claim.trial,)


def test_an_attempt_never_given_out_is_fenced(store: Store) -> None:
    _, trials = planned(store, 1)
    stranger = Done(trials[0], 7, (), (), 1.0, 1, "n")
    nobody = Done(9999, 1, (), (), 1.0, 1, "n")
    assert store.record([stranger, nobody]).fenced == (trials[0], 9999)


def test_the_last_error_of_each_failed_trial_is_told(store: Store) -> None:
    sweep, trials = planned(store, 2)
    for failure in (Failure.OOM, Failure.BUG):
        store.retry()
        store.record([failed(one, failure) for one in store.claim(trials[:1], "a", 60)])
    (last,) = store.failures(sweep)
    assert (last.number, last.failure, last.error) == (2, Failure.BUG, "bug happened")
    assert [one.failure for one in store.attempts("eSR-TM_s2_K5_C1")] == [Failure.OOM, Failure.BUG]


def test_texts_that_a_database_cannot_hold_are_mended(store: Store) -> None:
    _, trials = planned(store, 1)
    (claim,) = store.claim(trials, "a", 60)
    bad = failed(claim)
    store.record([type(bad)(bad.trial, bad.attempt, bad.failure, "nul \0 and \ud800", "t\0", "n\0", 0.0)])
    assert "nul" in str(store.failures()[0].error)


def test_an_artifact_comes_back_as_it_was(store: Store) -> None:
    _, trials = planned(store, 1)
    data = bytes(range(256)) * 200
    store.record([done(store.claim(trials, "a", 60)[0], data=data)])
    assert store.artifact(trials[0]) == weights(data)
    assert store.artifact(trials[0], "onnx") is None


def test_a_damaged_artifact_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(str(path)) as store:
        _, trials = planned(store, 1)
        store.record([done(store.claim(trials, "a", 60)[0])])
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE artifact SET data = x'00'")
    with Store.open(str(path)) as store, pytest.raises(StoreError, match="damaged"):
        store.artifact(trials[0])


def test_a_figure_that_is_not_a_number_is_kept_as_unknown(store: Store) -> None:
    _, trials = planned(store, 1)
    store.record([done(store.claim(trials, "a", 60)[0], value=math.nan)])
    assert frames.results(store)["psnr:Set5"].isna().all()


def test_speeds_are_kept_once_and_a_newer_one_takes_the_place(store: Store) -> None:
    config = "eSR-TM_s2_K5_C1"
    assert store.add_speeds([speed(config, 30.0)]) == Added(new=1, same=0, different=0)
    assert store.add_speeds([speed(config, 30.0)]) == Added(new=0, same=1, different=0)
    assert store.add_speeds([speed(config, 31.0)]) == Added(new=0, same=0, different=1)
    assert store.add_speeds([speed(config, 5.0, device="other")]).new == 1
    assert frames.results(store)["fps"].tolist() == [31.0, 5.0]


def test_speeds_come_back_as_they_were_given(store: Store) -> None:
    given = replace(
        speed("eSR-TM_s2_K5_C1", 30.0, power_w=3.5, seconds_median=1 / 30, runs=14), detail={"steady": True}
    )
    store.add_speeds([given, speed("Bicubic_s2", 90.0), speed("Bicubic_s2", 80.0, device="other")])
    assert store.speeds(config="eSR-TM_s2_K5_C1") == [given]
    assert [one.fps for one in store.speeds(device="board")] == [30.0, 90.0]
    assert store.speeds(source=Source.PUBLISHED) == []


def test_all_speeds_of_a_kind_are_marked_together_and_keep_their_figures_and_times(store: Store) -> None:
    store.add_speeds([speed("Bicubic_s2", 90.0), speed("Bicubic_s3", 80.0), speed("Bicubic_s2", 7.0, device="other")])
    before = frames.results(store)

    def mark(speeds: Sequence[Speed]) -> list[Speed]:
        return [replace(one, fps=0.0, detail={"beside": len(speeds)}) for one in speeds]

    assert len(store.mark_speeds("board", "eager", "fp32", "fullhd14", mark)) == 2
    assert [one.detail for one in store.speeds()] == [{"beside": 2}, {"beside": 2}, {}]
    assert frames.results(store).equals(before)


def test_figures_from_elsewhere_become_finished_trials(store: Store) -> None:
    sweep = store.create_sweep("released", "table", "{}", source=Source.RE_EVALUATED)
    figures = [quality("eSR-TM_s2_K5_C1", 36.0), quality("eSR-TM_s2_K5_C2", 35.0)]
    assert store.add_qualities(sweep, figures, Source.RE_EVALUATED).new == 2
    assert store.add_qualities(sweep, figures, Source.RE_EVALUATED).same == 2
    changed = [quality("eSR-TM_s2_K5_C1", 30.0)]
    assert store.add_qualities(sweep, changed, Source.RE_EVALUATED) == Added(new=0, same=0, different=1)
    table = frames.results(store, source="re-evaluated")
    assert table["psnr:Set5"].tolist() == [36.0, 35.0]
    assert store.counts(sweep).done == 2


def test_a_trial_of_ours_takes_further_figures(store: Store) -> None:
    _, trials = planned(store, 1)
    store.record([done(store.claim(trials, "a", 60)[0])])
    config = store.config_of(trials[0])
    assert store.add_trial_qualities(trials[0], [quality(config, 30.0, dataset="Set14")]).new == 1
    assert frames.results(store)["psnr:Set14"].tolist() == [30.0]
    assert store.done_trial(config) == trials[0]
