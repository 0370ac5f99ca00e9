"""What trained a result is kept beside it."""

from __future__ import annotations

from dataclasses import replace

from results_db.reading import frames
from results_db.store import Store
from search_space.facts import Failure, Provenance
from tests.results_db_tests.kit.facts import done, failed, planned

MADE = Provenance(("stacked/0123456789ab", "reference/ba9876543210"), "Some CPU", "fp32", "2.13.0+cpu")


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
