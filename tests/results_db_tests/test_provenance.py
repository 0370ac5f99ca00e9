"""What trained a result is kept beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from results_db.reading import frames
from results_db.reading.finished import finished
from results_db.records import cuda_state
from results_db.store import Store
from search_space.facts import CudaState, Failure, Provenance
from tests.results_db_tests.kit.facts import done, failed, planned

MADE = Provenance(("stacked/0123456789ab", "reference/ba9876543210"), "Some CPU", "fp32", "2.13.0+cpu")

ON_GPU = replace(MADE, cuda=CudaState("580.65.06", "13.0", "91002", False, False, True))


def test_the_attempt_that_is_done_tells_what_trained_it(store: Store) -> None:
    _, (first, second, *_) = planned(store)
    (early,) = store.claim([first], "driver", 60)
    store.record([failed(early, Failure.OOM)])
    store.retry([first])
    claims = store.claim([first, second], "driver", 60)
    store.record([replace(done(claims[0]), provenance=MADE), done(claims[1])])
    assert [a.provenance for a in store.attempts(first)] == [None, MADE]
    assert [a.provenance for a in store.attempts(second)] == [None]


def test_results_have_columns_of_it_and_charts_leave_them_out(store: Store) -> None:
    _, (first, *_) = planned(store)
    store.record([replace(done(claim), provenance=MADE) for claim in store.claim([first], "driver", 60)])
    (row,) = frames.results(store).to_dict("records")
    assert row["engines"] == '["stacked/0123456789ab", "reference/ba9876543210"]'
    assert (row["trained_on"], row["training_precision"], row["torch"]) == ("Some CPU", "fp32", "2.13.0+cpu")
    assert "engines" not in frames.results(store, metrics=["psnr:Set5"])


def test_the_software_of_a_gpu_is_kept_with_the_attempt_and_exported(store: Store) -> None:
    _, (first, second, third, *_) = planned(store)
    claims = store.claim([first, second, third], "driver", 60, {first: {"lr_scale": 0.5}})
    by_trial = {claim.trial: claim for claim in claims}
    made = {first: ON_GPU, second: MADE, third: None}
    store.record([replace(done(by_trial[trial]), provenance=one) for trial, one in made.items()])
    for trial, one in made.items():
        (attempt,) = store.attempts(trial)
        assert attempt.provenance == one
        assert dict(attempt.detail) == ({"lr_scale": 0.5} if trial == first else {})
    rows = frames.results(store).set_index("trial")["trained_under"]
    assert ON_GPU.cuda is not None and json.loads(rows[first]) == asdict(ON_GPU.cuda)
    assert rows.isna()[second] and rows.isna()[third]
    assert "trained_under" not in frames.results(store, metrics=["psnr:Set5"])


def test_the_software_of_a_gpu_goes_with_a_result_that_is_copied(store: Store) -> None:
    number, (first, *_) = planned(store)
    store.record([replace(done(claim), provenance=ON_GPU) for claim in store.claim([first], "driver", 60)])
    ((_, kept),) = finished(store, number)
    assert kept.provenance == ON_GPU


def test_a_state_of_another_version_is_read_as_far_as_it_is_known() -> None:
    known = cuda_state({"driver": "580.65.06", "colour": "red"})
    assert known is not None and (known.driver, known.cudnn) == ("580.65.06", None)
    assert cuda_state(None) is None
