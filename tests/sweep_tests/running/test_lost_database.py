"""A database that is lost while a sweep runs: the sweep ends with an error, and its results are in a rescue file."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from results_db.store import Store
from search_space.errors import StoreError
from sweep.executors import by_name
from sweep.executors.core import Finished
from sweep.executors.inline import InlineExecutor
from sweep.planning.open_sweep import OpenSweep
from sweep.running.driver import Driver
from sweep.running.events import DriverEvent, EventKind
from sweep.running.launch import Launch, launch
from tests.results_db_tests.connection.test_file_watch import FAULTS, cut
from tests.sweep_tests.cli.test_run import rows, some, wait_for
from tests.sweep_tests.conftest import SWEEP, command
from tests.sweep_tests.kit import DATA, driver, planned


def lost_after(store: Store, fault, events: int, kind: EventKind = EventKind.STARTED) -> tuple[Driver, str]:
    """A driver whose database meets ``fault`` after some events; it and how it ended."""
    seen: list[DriverEvent] = []

    def listen(event: DriverEvent) -> None:
        seen.append(event)
        if sum(other.kind is kind for other in seen) == events and event.kind is kind:
            fault(store.database.address.path)

    one = driver(store, planned(store), listener=listen)
    with pytest.raises(StoreError) as ended:
        one.run()
    return one, str(ended.value)


def rescued(words: str) -> Path:
    found = re.search(r"kept in (\S+?)[:,]( |$)", words)
    assert found, words
    return Path(found[1])


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not cut])
def test_every_result_up_to_the_loss_is_in_the_rescue_file(tmp_path, fault):
    with Store.open(str(tmp_path / "s.db")) as store:
        # Two of six are stored; two more are in training when the file vanishes.
        _, words = lost_after(store, fault, 4)
    assert "sweep db restore" in words
    with Store.open(str(rescued(words))) as kept:
        assert kept.counts().done == 4
        assert all(kept.artifact(row.id) for row in kept.trials() if row.state == "done")
        again = driver(kept, kept.sweeps()[0].id).run()
        assert again.done == 2


def test_of_a_file_that_was_cut_short_the_results_in_hand_are_kept(tmp_path):
    def cut_all(path: Path) -> None:
        os.truncate(path, 0)
        os.truncate(f"{path}-wal", 0)

    with Store.open(str(tmp_path / "s.db")) as store:
        _, words = lost_after(store, cut_all, 4)
    with Store.open(str(rescued(words))) as kept:
        assert kept.counts().done in (2, 4)


def test_results_of_a_store_that_stays_locked_are_kept_when_its_time_is_over(tmp_path):
    with Store.open(str(tmp_path / "s.db"), busy_timeout_s=0.1) as store:
        other = sqlite3.connect(store.url, isolation_level=None)

        def listen(event: DriverEvent) -> None:
            if event.kind is EventKind.STARTED and not other.in_transaction:
                other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreError, match="locked") as ended:
            driver(store, planned(store), listener=listen, store_retry_s=0.3).run()
        other.close()
    with Store.open(str(rescued(str(ended.value)))) as kept:
        assert kept.counts().done == 2


def test_a_file_that_vanishes_after_the_last_result_is_noticed(tmp_path, monkeypatch):
    with Store.open(str(tmp_path / "s.db")) as store:
        sweep_id = planned(store)
        driver(store, sweep_id).run()

        def vanish(*_: object, **__: object) -> int:
            store.database.address.path.unlink()
            return 0

        monkeypatch.setattr("sweep.running.launch.measure_quality", vanish)
        with pytest.raises(StoreError, match="is gone") as ended:
            launch(OpenSweep.of(store, sweep_id, DATA), Launch(executor="inline", benchmark=False), quiet=True)
    with Store.open(str(rescued(str(ended.value)))) as kept:
        assert kept.counts().done == 6


def test_a_file_that_vanishes_while_a_pack_trains_is_noticed_at_once(tmp_path):
    class Training(InlineExecutor):
        """Its pack never ends."""

        def poll(self, timeout_s: float) -> Sequence[Finished]:
            time.sleep(0.01)
            return ()

    def listen(event: DriverEvent) -> None:
        if event.kind is EventKind.STARTED:
            store.database.address.path.unlink(missing_ok=True)

    with Store.open(str(tmp_path / "s.db")) as store:
        made = driver(store, planned(store), Training(by_name.worker_data(DATA)), listener=listen)
        threading.Timer(5, made.stop).start()
        with pytest.raises(StoreError, match="is gone"):
            made.run()


@pytest.mark.slow
def test_a_run_whose_file_is_deleted_ends_with_status_2_and_what_it_says_brings_all_back(small_data, tmp_path):
    db = tmp_path / "s.db"
    how = ("--executor", "inline", "--no-benchmark", "--pack-size", "1", "--db", str(db))
    asked = ("run", "--space", "eSR-MAX", "--scale", "2", "--limit", "3", "--recipe", "smoke", "--steps", "8000", *how)
    run = subprocess.Popen(
        [SWEEP, *asked, "--data-root", str(small_data)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "1000"},
    )
    wait_for(lambda: some(db, "done"))
    db.unlink()
    _, told = run.communicate(timeout=300)
    assert run.returncode == 2 and "Traceback" not in told, told
    named = re.search(r"`sweep (db restore .+?)`", told)
    assert named and rescued(told).exists(), told
    restored = command(*shlex.split(named[1]))
    assert restored.returncode == 0, restored.stderr
    kept = rows(db, "select id from trial where state = 'done'")
    assert 0 < len(kept) < 3
    again = command("resume", *how, "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["done"] == 3, again.stderr
    trained = rows(db, "select trial_id, count(*) from attempt where outcome = 'done' group by 1")
    assert [count for _, count in trained] == [1, 1, 1]
