"""The short form of the experiment; the long one is ``python benchmarks/chaos.py`` (its table: docs/chaos.md)."""

from __future__ import annotations

import socket

import pytest

from benchmarks import _tables, chaos
from tests.chaos import broken_engine
from tests.chaos.data import make_data
from tests.chaos.experiment import experiment
from tests.chaos.faults import FAULTS
from tests.chaos.network import why_not
from tests.chaos.node_faults import NODE_FAULTS
from tests.chaos.wanted import Wanted
from workers.device_errors import is_device_error


def judge(faults: tuple[str, ...], wanted: Wanted, limit_s: float) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    outcome = experiment(wanted, limit_s=limit_s)
    assert not outcome.stuck
    assert outcome.faults == len(faults)
    assert (outcome.lost, outcome.duplicated, outcome.different, outcome.forged) == (0, 0, 0, 0)
    assert all(event.recovered for event in outcome.events)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_whose_worker_and_driver_are_killed_ends_as_an_undisturbed_one(tmp_path):
    faults = ("worker", "duplicate", "driver", "late")
    judge(faults, Wanted(27, faults, seed=1, data=make_data(tmp_path / "data"), steps=100, timeout_s=60), 700)


@pytest.mark.parametrize(("how", "error", "left"), [("device", RuntimeError, False), ("io", OSError, True)])
def test_an_engine_fails_as_it_is_told_from_then_on_or_until_it_is_mended(tmp_path, monkeypatch, how, error, left):
    monkeypatch.setattr(broken_engine, "_dead", [])
    file = tmp_path / socket.gethostname()
    broken_engine.fail_if_told()
    monkeypatch.setenv(broken_engine.FAULTS, str(tmp_path))
    broken_engine.fail_if_told()
    file.write_text(how)
    with pytest.raises(error) as raised:
        broken_engine.fail_if_told()
    assert is_device_error(raised.value)
    assert file.exists() == left
    assert file.with_suffix(broken_engine.FAILED).exists()
    # Halves of the pack that failed meet it too.
    with pytest.raises(error):
        broken_engine.fail_if_told()


def test_every_kind_of_fault_has_words_for_the_table():
    assert set(FAULTS) | set(NODE_FAULTS) == set(_tables.FAULTS)
    assert {kind for part in chaos.PARTS.values() for kind in part.faults} == set(_tables.FAULTS)
    assert sum(sum(part.faults.values()) for part in chaos.PARTS.values()) >= 150


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_whose_machines_and_database_fail_ends_as_an_undisturbed_one(tmp_path):
    faults = ("drain", "oom", "vanished", "gpu-error", "late-node")
    judge(faults, Wanted(54, faults, seed=1, data=make_data(tmp_path / "data"), timeout_s=60), 800)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_disturbed_sweep_ends_as_an_undisturbed_one(tmp_path):
    faults = ("worker", "duplicate", "link", "late", "driver", "database")
    judge(faults, Wanted(54, faults, seed=1, data=make_data(tmp_path / "data")), 700)
