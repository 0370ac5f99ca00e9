"""``benchmarks/resume_loss.py`` stops a sweep in all the ways that it is to survive."""

from __future__ import annotations

from benchmarks import _stops, resume_loss


def test_forty_stops_of_six_kinds_of_which_the_announced_ones_repeat_nothing():
    assert set(resume_loss.SCRIPT) == {*_stops.OF_DRIVER, "worker", "raylet", "drain"}
    assert sum(resume_loss.SCRIPT.values()) >= 40
    assert {"ctrl-c", "sigterm", "drain"} == _stops.CLEAN
    assert set(resume_loss.QUICK) <= set(resume_loss.SCRIPT) and "drain" in resume_loss.QUICK
