from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results_db.store import Store
from search_space.config import Config
from search_space.facts import Speed
from sweep.planning.open_sweep import OpenSweep
from sweep.running import speed_phase
from sweep.speed.ties import mark_ties
from tests.sweep_tests import kit


def speed(config: str, seconds: float, protocol: str = "qhd5", device: str = "here") -> Speed:
    """With an interval of about 7 % each way."""
    return Speed(config, device, "eager", "fp32", protocol, 1 / seconds, seconds, 0.1 * seconds, seconds, 5)


def tied(store: Store) -> dict[str, Any]:
    return {one.config: one.detail.get("tied_with") for one in store.speeds(device="here", protocol="qhd5")}


def test_ties_are_found_among_all_stored_figures_not_only_those_of_one_call(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "s.db")) as store:
        for name, seconds in (("Bicubic_s2", 1.0), ("Bicubic_s3", 1.05), ("Bicubic_s4", 9.0)):
            store.add_speeds([speed(name, seconds)])
            (marked,) = mark_ties(store, [speed(name, seconds)])
            assert marked.config == name
        assert tied(store) == {"Bicubic_s2": ["Bicubic_s3"], "Bicubic_s3": ["Bicubic_s2"], "Bicubic_s4": []}
        # Measured again, it is no longer tied, and the other one is told.
        store.add_speeds([speed("Bicubic_s3", 5.0)])
        mark_ties(store, [speed("Bicubic_s3", 5.0)])
        assert tied(store) == {"Bicubic_s2": [], "Bicubic_s3": [], "Bicubic_s4": []}


def test_figures_of_another_kind_are_never_tied(tmp_path: Path) -> None:
    others = [speed("Bicubic_s3", 1.0, "fullhd14"), speed("Bicubic_s4", 1.0, device="there")]
    with Store.open(str(tmp_path / "s.db")) as store:
        store.add_speeds([speed("Bicubic_s2", 1.0), *others])
        assert [one.detail["tied_with"] for one in mark_ties(store, [speed("Bicubic_s2", 1.0), *others])] == [
            [],
            [],
            [],
        ]


def test_the_speed_phase_counts_what_was_measured_ties_it_and_says_what_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Session:
        def __init__(self, *_: object, **__: object) -> None:
            self.failed: dict[str, str] = {}

        def measure(self, configs: list[Config]) -> Iterator[list[Speed]]:
            self.failed[configs[0].id] = "no kernel"
            yield [speed(one.id, 1.0, "fullhd14") for one in configs[1:]]

    monkeypatch.setattr("workers.benchmark.Session", Session)
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    with Store.open(str(tmp_path / "s.db")) as store:
        sweep_id = kit.planned(store, 3)
        kit.driver(store, sweep_id).run()
        assert speed_phase.measure_speed(OpenSweep.of(store, sweep_id, kit.DATA), "here", quiet=True) == 2
        first, second = store.speeds(device="here")
        assert (first.detail["tied_with"], second.detail["tied_with"]) == ([second.config], [first.config])
    assert "was not measured: no kernel" in capsys.readouterr().err
