"""A command that stores or repeats speeds says at its end how many of them are disturbed, and what repeats them."""

from __future__ import annotations

import json
from pathlib import Path

from results_db.store import Store
from search_space.facts import Speed


def test_a_run_says_it_with_the_command_that_repeats_them(sweep, small_data: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.db"
    asked = ("run", "--space", "eSR-MAX", "--scale", 2, "--limit", 2, "--recipe", "smoke", "--steps", 2, "--executor",
             "inline", "--no-benchmark", "--data-root", small_data, "--db", db)  # fmt: skip
    status, _, err = sweep(*asked)
    assert status == 0 and "disturbed" not in err
    with Store.open(str(db)) as store:
        first, second = sorted({row.key.config for row in store.trials()})
        store.add_speeds([
            Speed(first, "board", "eager", "fp32", "qhd5", 20.0, detail={"disturbed": True}),
            Speed(second, "board", "eager", "fp32", "qhd5", 30.0, detail={"disturbed": False}),
        ])  # fmt: skip
    for again in (asked, ("resume", "--executor", "inline", "--no-benchmark", "--data-root", small_data, "--db", db)):
        status, _, err = sweep(*again)
        told = " ".join(err.split())
        assert status == 0 and "1 of 2 speeds disturbed" in told
        assert "repeat on board: sweep benchmark --disturbed --db" in told and "--speed-protocol qhd5" in told
    _, out, _ = sweep(*asked, "--json")
    assert (json.loads(out)["speeds"], json.loads(out)["disturbed"]) == (2, 1)
