"""What happens in a sweep is written beside the database, without secrets, and never too much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from results_db.connection.urls import parse
from results_db.store import Store
from sweep.planning.open_sweep import OpenSweep
from sweep.running import log_file
from sweep.running.events import DriverEvent, EventKind
from sweep.running.launch import launch
from sweep.running.launch_options import Launch
from sweep.running.log_file import LogFile, log_path
from tests.sweep_tests.kit import DATA, planned

HERE = Launch(executor="inline", benchmark=False)


def test_a_run_is_logged_beside_the_database_however_quiet_it_is(tmp_path, capsys):
    with Store.open(str(tmp_path / "s.db")) as store:
        launch(OpenSweep.of(store, planned(store, 2), DATA), HERE, quiet=True)
    lines = (tmp_path / "s.db.log").read_text().splitlines()
    assert "sweep tiny: 2 trials to do" in lines[0]
    assert sum(" started eSR-MAX_s2_K3_C" in line for line in lines) == 2
    assert sum(" done eSR-MAX_s2_K3_C" in line for line in lines) == 2
    assert "2 done, 0 failed" in lines[-1]
    assert capsys.readouterr() == ("", "")


def test_verbose_shows_each_event_and_plain_only_what_goes_wrong(tmp_path, capsys):
    for name, verbose in (("plain", False), ("verbose", True)):
        with Store.open(str(tmp_path / f"{name}.db")) as store:
            how = Launch(executor="inline", benchmark=False, verbose=verbose)
            launch(OpenSweep.of(store, planned(store, 1), DATA), how)
        assert ("started eSR-MAX_s2_K3_C1" in capsys.readouterr().err) is verbose


def test_secrets_and_escapes_stay_out_and_the_file_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr(log_file, "MOST_BYTES", 2000)
    with LogFile(tmp_path / "x.log") as log:
        log(DriverEvent(EventKind.FAILED, "c", "cannot open postgresql://me:hunter2@host/db \x1b[31mred"))
        told = (tmp_path / "x.log").read_text()
        assert "hunter2" not in told and "\x1b" not in told and "failed c cannot open" in told
        for _ in range(200):
            log.say("word " * 20)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    with LogFile(tmp_path / "no" / "folder" / "x.log") as log:
        log.say("into the void")


@pytest.mark.parametrize(
    ("db", "path"),
    [("/data/s.db", Path("/data/s.db.log")), ("postgresql+psycopg://me@host/night", Path("night.log"))],
)
def test_the_log_lies_beside_a_file_and_in_the_current_folder_for_a_server(db, path):
    assert log_path(parse(db)) == path
