"""The command that goes on with a sweep can be typed as it is printed."""

from __future__ import annotations

import datetime as dt
import shlex

import pytest

from results_db.records import Source, SweepRow
from sweep.running.launch import Launch
from sweep.running.resume_command import resume_command


def row(name: str = "night", root: str | None = None) -> SweepRow:
    now = dt.datetime.now(dt.UTC)
    return SweepRow(1, name, "paper", "{}", "g", Source.OURS, {"data": {"root": root}}, now)


def test_the_plainest_sweep_is_named_with_its_database():
    told = resume_command(row(), Launch(), "/tmp/s.db")
    assert (told.command, told.note) == ("sweep resume --name night --db /tmp/s.db", "")


def test_all_that_was_asked_for_is_asked_for_again():
    wanted = Launch("tune", "ray://head:10001", 2.0, 0.5, 4, 16, 5, 900.0, False, "board", "path", "/mnt/sr", None, 5.0)
    told = resume_command(row("two words", "/other"), wanted, "/tmp/s.db")
    assert shlex.split(told.command) == [
        *("sweep", "resume", "--name", "two words", "--db", "/tmp/s.db", "--data-root", "/mnt/sr"),
        *("--executor", "tune", "--address", "ray://head:10001", "--cpus-per-worker", "2", "--gpus-per-worker", "0.5"),
        *("--workers", "4"),
        *("--pack-size", "16", "--max-attempts", "5", "--timeout", "900", "--checkpoint-every", "5"),
        *("--device", "board", "--data-via", "path"),
        "--no-benchmark",
    ]


@pytest.mark.parametrize(("gpus", "words"), [(None, []), (0.0, ["--gpus-per-worker", "0"])])
def test_gpus_are_named_unless_they_were_left_to_the_cluster(gpus, words):
    told = shlex.split(resume_command(row(), Launch(gpus=gpus), "/tmp/s.db").command)
    assert told[6:] == words


def test_the_folder_that_the_sweep_remembers_is_not_repeated(tmp_path):
    assert (
        "--data-root"
        not in resume_command(row(root=str(tmp_path)), Launch(data_root=str(tmp_path)), "/tmp/s.db").command
    )


def test_a_password_is_left_out_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch):
    url = "postgresql+psycopg://me:hunter2@host/db"
    monkeypatch.delenv("SWEEP_DB", raising=False)
    told = resume_command(row(), Launch(), url)
    assert "me:***@host/db" in told.command and "password" in told.note and "hunter2" not in str(told)
    monkeypatch.setenv("SWEEP_DB", url)
    told = resume_command(row(), Launch(), url)
    assert told.command == "sweep resume --name night" and "SWEEP_DB" in told.note
    monkeypatch.setenv("SWEEP_DB", "elsewhere.db")
    assert "--db" in resume_command(row(), Launch(), url).command


def test_an_address_without_a_password_is_given_whole():
    told = resume_command(row(), Launch(), "postgresql+psycopg://me@host/db")
    assert told.command.endswith("--db postgresql+psycopg://me@host/db") and told.note == ""


def test_the_address_of_a_cluster_that_ends_with_its_job_is_never_named(monkeypatch: pytest.MonkeyPatch):
    there = Launch(address="10.0.0.1:6379")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "--address 10.0.0.1:6379" in resume_command(row(), there, "/tmp/s.db").command
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    told = resume_command(row(), there, "/tmp/s.db")
    assert "--address" not in told.command and "submit the job again" in told.note
