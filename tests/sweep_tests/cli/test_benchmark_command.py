import json
import os
import re
import shlex
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from results_db.reading.disturbed import notes, timings
from results_db.reading.frames import results
from results_db.store import Store
from search_space.errors import BadData
from search_space.facts import Speed
from sweep.cli.main import app
from sweep.speed.on_ray_node import find_node
from workers.benchmark import QHD5, Session
from workers.benchmark.protocols import PROTOCOLS

SMALL = ["--protocol", "qhd5", "--size", "96x96", "--device", "here", "--json"]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    return str(tmp_path / "s.db")


def run(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["benchmark", *arguments])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_the_same_command_again_measures_only_what_is_missing(db: str) -> None:
    assert [one["config"] for one in run("Bicubic_s2", "--db", db, *SMALL)] == ["Bicubic_s2"]
    assert [one["config"] for one in run("Bicubic_s2", "Bicubic_s3", "--db", db, *SMALL)] == ["Bicubic_s3"]
    assert len(run("Bicubic_s2", "--again", "--db", db, *SMALL)) == 1
    with Store.open(db) as store:
        table = results(store)
    assert sorted(table["config"]) == ["Bicubic_s2", "Bicubic_s3"]
    assert set(table["speed_protocol"]) == {"96x96x5"}
    assert table["power_w"].isna().all() or (table["power_w"] > 0).all()


def test_ties_are_told_beside_what_earlier_calls_stored(db: str) -> None:
    slow = Speed("Bicubic_s3", "here", "eager", "fp32", "96x96x5", 1.0, 1.0, 99.0, 1.0, 5)
    with Store.open(db) as store:
        store.add_speeds([slow])
    (one,) = run("Bicubic_s2", "--db", db, *SMALL)
    assert one["detail"]["tied_with"] == ["Bicubic_s3"]
    with Store.open(db) as store:
        assert store.speeds(config="Bicubic_s3")[0].detail["tied_with"] == ["Bicubic_s2"]


def test_what_is_stored_as_disturbed_can_be_measured_again(db: str) -> None:
    run("Bicubic_s2", "Bicubic_s3", "--db", db, *SMALL)
    with Store.open(db) as store:
        # Whatever the machine was busy with.
        for one in store.speeds():
            store.add_speeds([replace(one, detail={**one.detail, "disturbed": one.config == "Bicubic_s3"})])
    asked = ("Bicubic_s2", "Bicubic_s3", "--db", db, *SMALL)
    assert run(*asked) == []
    assert [one["config"] for one in run(*asked, "--disturbed")] == ["Bicubic_s3"]


def test_the_command_that_repeats_disturbed_speeds_works_as_printed_and_measures_nothing_else(db: str) -> None:
    run("Bicubic_s2", "Bicubic_s3", "--db", db, *SMALL)
    with Store.open(db) as store:
        speeds = [
            replace(one, detail={**one.detail, "disturbed": one.config == "Bicubic_s3"}) for one in store.speeds()
        ]
        store.add_speeds(speeds)
        _, command = notes(timings(speeds), store.url)
    words = shlex.split(command.removeprefix("repeat on here: "))
    assert words[:2] == ["sweep", "benchmark"]
    assert [one["config"] for one in run(*words[2:], "--json")] == ["Bicubic_s3"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_what_is_measured_and_says_how_to_go_on(
    db: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    measure, groups = Session._group, []

    def stopped(*arguments: Any) -> list[Speed]:
        if groups:
            os.kill(os.getpid(), number)
            time.sleep(10)
        groups.append(measure(*arguments))
        return groups[0]

    monkeypatch.setattr(Session, "_group", stopped)
    monkeypatch.setitem(PROTOCOLS, "qhd5", replace(QHD5, group=2))
    result = CliRunner().invoke(app, ["benchmark", "--space", "demo", "--sample", "5", "--db", db, *SMALL])
    assert result.exit_code == 130
    assert "stopped: 2 of 5 are measured and stored; the same command measures the rest" in result.stderr
    stored = {one["config"] for one in json.loads(result.stdout)}
    with Store.open(db) as store:
        assert {one.config for one in store.speeds()} == stored == {one.config for one in groups[0]}


def test_the_usual_time_of_the_reference_is_read_from_stored_figures(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.timing.turns.PATIENT_S", 0.0)
    (first,) = run("Bicubic_s2", "--db", db, *SMALL)
    assert first["detail"]["reference_usual_seconds"] > 0
    with Store.open(db) as store:
        (one,) = store.speeds()
        store.add_speeds([replace(one, detail={**one.detail, "reference_usual_seconds": 1e-6})])
    again = CliRunner().invoke(app, ["benchmark", "Bicubic_s3", "--compute", "cpu", "--db", db, *SMALL])
    (second,) = json.loads(again.stdout)
    assert second["detail"]["disturbed"] and "1 of 1 speeds disturbed" in again.stderr
    (typed,) = re.findall(r"repeat on here: (sweep benchmark .*)", again.stderr)
    words = shlex.split(typed)
    assert words[words.index("--compute") + 1] == "cpu" and words[words.index("--db") + 1] == db
    assert second["detail"]["reference_usual_seconds"] == 1e-6


def test_another_thread_count_is_another_figure(db: str) -> None:
    run("Bicubic_s2", "--db", db, *SMALL)
    (one,) = run("Bicubic_s2", "--threads", "1", "--db", db, *SMALL)
    assert one["protocol"] == "96x96x5-t1"
    assert one["detail"]["threads"] == 1


@pytest.mark.parametrize(
    "wrong",
    [["--size", "9"], ["--size", "1x1"], ["--backend", "tpu"], ["-p", "int8"], ["--node", "x"], ["--protocol", "hd"]],
)
def test_what_cannot_be_measured_is_refused(db: str, wrong: list[str]) -> None:
    result = CliRunner().invoke(app, ["benchmark", "Bicubic_s2", "--db", db, *wrong])
    assert isinstance(result.exception, BadData)


NODES = [
    {"Alive": True, "NodeManagerHostname": "a", "NodeManagerAddress": "10.0.0.1", "NodeID": "aa11"},
    {"Alive": True, "NodeManagerHostname": "b", "NodeManagerAddress": "10.0.0.2", "NodeID": "bb22"},
    {"Alive": False, "NodeManagerHostname": "c", "NodeManagerAddress": "10.0.0.3", "NodeID": "cc33"},
]


def test_a_node_is_found_by_host_name_address_or_id() -> None:
    for wanted in ("b", "10.0.0.2", "bb2"):
        assert find_node(NODES, wanted)["NodeID"] == "bb22"


def test_a_dead_unknown_or_ambiguous_node_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadData, match="no live node answers to 'c'"):
        find_node(NODES, "c")
    with pytest.raises(BadData, match="--node"):
        find_node(NODES, None)
