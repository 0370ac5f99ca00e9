"""What trackers are told of a sweep, and what asks for them."""

from __future__ import annotations

import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoint

import pytest

from results_db.records import Counts
from results_db.store import Store
from search_space.errors import MissingExtra, SweepError
from search_space.facts import Failure
from sweep.planning.open_sweep import OpenSweep
from sweep.running.launch import Launch, launch
from sweep.tracking import by_name, tracking
from sweep.tracking.tracker import Ending, Tracker
from tests.sweep_tests.kit import DATA, Unlucky, driver, planned
from tests.sweep_tests.tracking.kit import RESUME, Told, trained


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch):
    """Registers a tracker as another package does, under the name ``mine``."""

    def register(kind: type[Tracker]) -> None:
        module = types.ModuleType("tracker_of_a_test")
        module.Kind = kind  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        point = EntryPoint("mine", f"{module.__name__}:Kind", by_name.GROUP)
        monkeypatch.setattr(by_name, "entry_points", lambda group: [point] if group == by_name.GROUP else [])

    return register


@pytest.fixture
def told_to(plug_in) -> list[Told]:
    """The trackers of the name ``mine`` that are made."""
    made: list[Told] = []

    class Kept(Told):
        def __init__(self, where: str) -> None:
            super().__init__(where)
            made.append(self)

    plug_in(Kept)
    return made


def run(store: Store, *track: str) -> None:
    sweep = OpenSweep.of(store, planned(store, 4), DATA)
    launch(sweep, Launch(executor="inline", benchmark=False, track=track), quiet=True)


def test_a_plug_in_is_told_of_each_trial_as_it_is_stored(told_to, tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        run(store, "mine=here")
    (told,) = told_to
    assert told.where == "here"
    assert (told.sweeps[0].name, told.sweeps[0].planned, told.sweeps[0].recipe["steps"]) == ("tiny", 4, 3)
    assert len(told.trials) == 4 and all(trial.done for trial in told.trials)
    trial = min(told.trials, key=lambda one: one.name)
    assert trial.name == "eSR-MAX_s2_K3_C1-seed0"
    assert trial.parameters == {"family": "eSR-MAX", "scale": 2, "K": 3, "C": 1, "seed": 0}
    assert {"psnr/test", "ssim/test", "training_steps"} <= set(trial.metrics)
    assert trial.facts.curve and trial.facts.weights is not None
    (end,) = told.ends
    assert (end.ending, end.planned, end.done, end.failed) == (Ending.DONE, 4, 4, 0)


def test_a_search_is_told_as_a_sweep_that_grows(told_to, small_data, tmp_path):
    import sweep

    sweep.search(
        "eSR-MAX", tmp_path / "s.db", budget=3, batch=2, scale=2, objectives="psnr:Set5,parameters", recipe="smoke",
        steps=2, executor="inline", benchmark_first=False, data_root=small_data, track="mine",
    )  # fmt: skip
    (told,) = told_to
    assert told.sweeps[0].name.startswith("search-esr-max")
    assert len({trial.name for trial in told.trials}) == 3 and all(trial.done for trial in told.trials)
    (end,) = told.ends
    assert (end.ending, end.done) == (Ending.DONE, 3)


@pytest.mark.parametrize("step", ["__init__", "start", "put", "end"])
def test_a_broken_plug_in_is_one_warning_and_the_sweep_ends_well(plug_in, tmp_path, capfd, step):
    def broken(self: object, *args: object) -> None:
        raise RuntimeError("its server burns")

    plug_in(type("Broken", (Tracker,), {step: broken}))
    with Store.open(tmp_path / "s.db") as store:
        run(store, "mine")
        assert store.counts().done == 4
    err = " ".join(capfd.readouterr().err.split())
    assert err.count("its server burns") == 1
    assert "tracker mine: " in err and "the sweep goes on" in err


def test_a_failed_trial_is_told_with_its_error(tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        sweep_id = planned(store, 2)
        driver(store, sweep_id, Unlucky(lambda task: Failure.BUG), max_attempts=1).run()
        told = Told()
        for row in store.trials(sweep_id):
            tracking.put_stored(store, row.id, told)
    assert [trial.done for trial in told.trials] == [False, False]
    assert {(trial.facts.failure, trial.facts.error) for trial in told.trials} == {("bug", "as the test wants")}


def test_a_trial_that_is_tried_again_is_told_when_that_ends(tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        told = Told()
        for row in store.trials(planned(store, 2)):
            tracking.put_stored(store, row.id, told)
    assert told.trials == []


def test_a_sweep_is_told_again_from_the_database(tmp_path, monkeypatch):
    told = Told()
    monkeypatch.setattr(by_name, "make", lambda asked: told)
    with Store.open(tmp_path / "s.db") as store:
        row = trained(store)
        assert tracking.track_stored(store, row, "mine", RESUME) == 3
    assert sorted(trial.metrics["fps/board/eager-fp32"] for trial in told.trials) == [20.0, 21.0, 22.0]
    assert told.ends[0].ending is Ending.DONE


def test_new_speeds_are_told_for_the_trials_of_their_configs(plug_in, tmp_path):
    with Store.open(tmp_path / "s.db") as store:
        row = trained(store)
        told = Told()
        follower = tracking.Tracking(store, row, (), lambda text: None)
        follower._send = lambda work: work(told)  # type: ignore[method-assign]
        follower._followers = [object()]  # type: ignore[list-item]
        follower.put_configs(["eSR-MAX_s2_K3_C2"])
    assert [trial.facts.config for trial in told.trials] == ["eSR-MAX_s2_K3_C2"]


@pytest.mark.parametrize(
    ("counts", "interrupted", "error", "ending"),
    [
        (Counts(4, 0, 0, 4, 0), False, "", Ending.DONE),
        (Counts(4, 0, 0, 3, 1), False, "", Ending.FAILED),
        (Counts(4, 1, 0, 3, 0), False, "", Ending.STOPPED),
        (Counts(4, 0, 0, 4, 0), True, "", Ending.STOPPED),
        (Counts(4, 2, 0, 2, 0), False, "disk full", Ending.BROKEN),
        (None, False, "gone", Ending.BROKEN),
    ],
)
def test_the_end_says_how_it_ended_and_how_to_go_on(counts, interrupted, error, ending):
    end = tracking.sweep_end("night", counts, RESUME, 12.34, interrupted, error)
    assert end.ending is ending
    assert (RESUME in end.text) == (ending is not Ending.DONE)
    assert error in end.text


def test_what_is_not_there_is_refused_before_anything_runs(monkeypatch):
    with pytest.raises(SweepError, match=r"no tracker 'nope' \(there are command, mlflow, tensorboard"):
        Launch(track=("nope",))
    with pytest.raises(SweepError, match="given twice"):
        Launch(track=("tensorboard", "tensorboard=elsewhere"))
    with pytest.raises(SweepError, match="needs the command"):
        Launch(track=("command",))
    monkeypatch.setattr(by_name, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'edge-sweep\[wandb\]'"):
        Launch(track=("wandb",))


@pytest.fixture
def server():
    """An HTTP server that keeps what is posted to it."""
    got: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(404 if self.path == "/gone" else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    made = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}", got
    made.shutdown()
    made.server_close()


def test_a_webhook_gets_one_request_at_the_end(server, tmp_path):
    address, got = server
    with Store.open(tmp_path / "s.db") as store:
        run(store, f"webhook={address}/hook")
    (document,) = got
    assert (document["sweep"], document["ending"], document["done"]) == ("tiny", "done", 4)
    assert document["text"].startswith("sweep tiny done: 4 of 4 done")
    assert document["resume"].startswith("sweep resume --name tiny --db ") and address not in document["resume"]


def test_a_webhook_that_refuses_is_told_without_its_address(server, tmp_path, capfd):
    address, _ = server
    with Store.open(tmp_path / "s.db") as store:
        run(store, f"webhook={address}/gone")
    err = " ".join(capfd.readouterr().err.split())
    assert "tracker webhook: 127.0.0.1 answers 404" in err and "/gone" not in err


def test_a_command_runs_at_the_end_with_the_facts(tmp_path):
    out = tmp_path / "told.txt"
    with Store.open(tmp_path / "s.db") as store:
        run(store, f'command=cat > {out}; echo "$SWEEP_NAME $SWEEP_ENDING $SWEEP_DONE/$SWEEP_PLANNED" >> {out}')
    document, line = out.read_text().rsplit("}", 1)
    assert json.loads(document + "}")["ending"] == "done"
    assert line.strip() == "tiny done 4/4"


def test_a_command_that_fails_is_a_warning(tmp_path, capfd):
    with Store.open(tmp_path / "s.db") as store:
        run(store, "command=exit 3")
    assert "the command ended with status 3" in " ".join(capfd.readouterr().err.split())
