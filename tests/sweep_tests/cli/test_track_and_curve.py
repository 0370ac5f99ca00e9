"""``sweep track`` and ``sweep logs --curve`` of a stored sweep."""

from __future__ import annotations

import json

import pytest

from results_db.store import Store
from tests.sweep_tests.tracking.kit import trained


@pytest.fixture
def db(tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        trained(store, 2)
    return tmp_path / "s.db"


def test_a_stored_sweep_is_told_to_a_tracker(sweep, db, tmp_path):
    asked = f'command=echo "$SWEEP_NAME: $SWEEP_DONE" > {tmp_path}/told'
    status, out, err = sweep("track", asked, "--db", db, "--json")
    assert status == 0, err
    assert json.loads(out) == {"sweep": "tiny", "tracker": "command", "trials": 2}
    assert (tmp_path / "told").read_text() == "tiny: 2\n"


def test_a_tracker_that_fails_is_an_error_of_the_command(sweep, db):
    status, _, err = sweep("track", "command=exit 3", "--db", db)
    assert status == 2 and "ended with status 3" in err


def test_the_curve_of_a_config_is_drawn_and_given(sweep, db):
    status, out, _ = sweep("logs", "eSR-MAX_s2_K3_C1", "--curve", "--db", db)
    assert status == 0
    assert "loss " in out and "at step 29" in out and any(block in out for block in "▁█")
    _, out, _ = sweep("logs", "eSR-MAX_s2_K3_C1", "--curve", "--db", db, "--json")
    curve = json.loads(out)[0]["curve"]
    assert [step for step, _ in curve] == sorted(step for step, _ in curve) and curve[-1][0] == 29
    _, out, _ = sweep("logs", "eSR-MAX_s2_K3_C1", "--db", db, "--json")
    assert "curve" not in json.loads(out)[0]
