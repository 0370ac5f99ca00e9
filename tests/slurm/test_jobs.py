"""docker/slurm.sbatch on a real Slurm: nodes and heads that die, time limits, scancel, arrays on one PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.results_db_tests.kit.servers import Server
from tests.slurm.kit import Slurm, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(3600)]

LIMIT_MINUTES = int(os.environ.get("EDGE_SWEEP_SLURM_MINUTES", "2"))
"""Time limit of the job that is shorter than a pack; a busy machine needs more than two minutes to start anything."""
ENDLESS = "100000000"


@pytest.fixture
def db(slurm: Slurm, request: pytest.FixtureRequest) -> Path:
    """A new database on what the nodes share."""
    return slurm.folder / f"{request.node.name[5:25]}.db"


def rows(db: Path, query: str) -> list[tuple]:
    """Of a database that may not be there yet."""
    try:
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def line(db: Path | str, steps: str, limit: int, *more: str) -> tuple[str, ...]:
    """What follows ``sweep run``: the first one-layer networks."""
    asked = ("--space", "eSR-MAX", "--scale", "2", "--limit", str(limit), "--recipe", "smoke")
    return (*asked, "--steps", steps, "--pack-size", "1", "--no-benchmark", "--db", str(db), *more)


def done(db: Path) -> int:
    return len(rows(db, "select id from trial where state = 'done'"))


def at_work(db: Path) -> list[tuple]:
    """Attempts that have no outcome yet."""
    return rows(db, "select trial_id, number, detail from attempt where outcome is null")


@pytest.fixture
def endless(slurm: Slurm, db: Path) -> Iterator[tuple[int, Path]]:
    """A job on all three nodes whose three trials are at work, have states stored and never end, with its database."""
    job = slurm.submit(("--nodes=3", "--time=60"), line(db, ENDLESS, 3, "--checkpoint-every", "1"))
    try:
        wait_for("three workers\n" + slurm.told(job), lambda: len(rows(db, "select trial_id from checkpoint")) == 3)
        yield job, db
    finally:
        slurm.call("scancel", "--signal=KILL", "--full", str(job))
        slurm.call("scancel", str(job))
        slurm.end(job)


def test_a_dead_node_leaves_the_job_and_the_others_go_on(slurm: Slurm, endless: tuple[int, Path]):
    job, db = endless
    slurm.cut(3)
    try:
        wait_for("Slurm's notice", lambda: slurm.facts(job)["NodeList"] == "n[1-2]", 120)
        assert slurm.facts(job)["JobState"] == "RUNNING"
        wait_for("the end of one attempt", lambda: rows(db, "select 1 from attempt where outcome is not null"))
        assert len(at_work(db)) >= 2
        wait_for("the script's notice", lambda: "n3 has left the job" in slurm.told(job), 120)
    finally:
        slurm.boot(3)


def test_a_node_whose_ray_dies_is_started_again(slurm: Slurm, endless: tuple[int, Path]):
    job, _ = endless
    (raylet,) = slurm.pids(2, "raylet/raylet")
    os.kill(raylet, signal.SIGKILL)
    wait_for("Ray on n2", lambda: [pid for pid in slurm.pids(2, "raylet/raylet") if pid != raylet])
    wait_for("a worker on n2", lambda: slurm.pids(2, "ray::PackWorker"))
    assert slurm.facts(job)["JobState"] == "RUNNING"


def test_a_head_that_dies_is_started_again_in_the_same_job(slurm: Slurm, endless: tuple[int, Path]):
    job, db = endless
    (head,) = slurm.pids(1, "gcs/gcs_server")
    os.kill(head, signal.SIGKILL)
    wait_for("the script's notice", lambda: "the head is started again" in slurm.told(job), 60)
    wait_for("a second driver", lambda: len({number for _, number, _ in at_work(db)} - {1}) > 0)
    assert slurm.facts(job)["JobState"] == "RUNNING"
    assert all(json.loads(detail).get("from_step", 0) > 0 for _, number, detail in at_work(db) if number > 1)


def test_a_job_whose_first_node_dies_is_started_again_by_slurm(slurm: Slurm, endless: tuple[int, Path]):
    job, db = endless
    slurm.cut(1)
    slurm.boot(1)
    wait_for("a second attempt\n" + slurm.told(job), lambda: any(number > 1 for _, number, _ in at_work(db)))
    assert slurm.facts(job)["Restarts"] == "1"


def test_a_cancelled_job_stores_its_states_and_the_same_line_goes_on(slurm: Slurm, db: Path):
    asked = line(db, ENDLESS, 2, "--checkpoint-every", "0")
    first = slurm.submit(("--nodes=2", "--time=60"), asked)
    wait_for("two workers", lambda: len(at_work(db)) == 2)
    wait_for("steps", lambda: " steps, about" in slurm.told(first), 120)
    slurm.call("scancel", "--batch", "--signal=INT", str(first))
    slurm.end(first)
    assert "sweep resume" in slurm.told(first) or "go on with" in slurm.told(first)
    stored = dict(rows(db, "select trial_id, step from checkpoint"))
    assert len(stored) == 2 and min(stored.values()) > 0
    second = slurm.submit(("--nodes=2", "--time=60"), asked)
    try:
        wait_for("two workers again", lambda: len(at_work(db)) == 2)
        assert {trial: json.loads(detail)["from_step"] for trial, _, detail in at_work(db)} == stored
    finally:
        # Without --signal Slurm signals nodes and driver alike, and kills them 30 s later.
        slurm.call("scancel", str(second))
        assert slurm.end(second) == "CANCELLED"
    wait_for("its processes", lambda: not slurm.pids(1, "ray") and not slurm.pids(2, "ray"), 60)
    assert {*dict(rows(db, "select trial_id, step from checkpoint"))} == {*stored}


def test_a_job_with_a_time_limit_of_a_third_of_one_pack_ends_after_several_submissions(slurm: Slurm, db: Path):
    rate = steps_per_second(slurm, slurm.folder / "rate.db")
    # A machine is not always as fast as it was while the rate was taken.
    asked = line(db, str(int(rate * 60 * LIMIT_MINUTES * 4)), 1, "--checkpoint-every", "0")
    submissions = 0
    while not done(db):
        job = slurm.submit(("--nodes=1", f"--time={LIMIT_MINUTES}", "--signal=B:INT@20"), asked)
        submissions += 1
        assert slurm.end(job) in ("COMPLETED", "FAILED"), f"stopped by the limit itself:\n{slurm.told(job)}"
        assert submissions <= 20
    attempts = rows(db, "select outcome, detail, ended_at - started_at from attempt order by number")
    steps = [json.loads(detail).get("from_step", 0) for _, detail, _ in attempts]
    assert submissions >= 4 and steps == sorted(steps) and len(set(steps)) == len(attempts)
    assert [outcome for outcome, _, _ in attempts][-1] == "done"
    seconds = sum(seconds for _, _, seconds in attempts)
    assert seconds >= 3 * 60 * LIMIT_MINUTES, "the training of the one pack, over all submissions"


def steps_per_second(slurm: Slurm, db: Path, steps: int = 100_000) -> float:
    """Of the one network in a job, here, now: by the clock, cutting the patches included."""
    job = slurm.submit(("--nodes=1", "--time=60"), line(db, str(steps), 1))
    assert slurm.end(job) == "COMPLETED", slurm.told(job)
    ((seconds,),) = rows(db, "select ended_at - started_at from attempt where outcome = 'done'")
    return steps / float(seconds)


def test_the_jobs_of_an_array_share_a_node_and_a_sweep_on_one_postgresql(slurm: Slurm, server: Server):
    url = server.database()
    array = slurm.submit(("--array=1-2", "--nodes=1", "--nodelist=n1", "--time=60"), line(url, "20000", 6))
    for job in slurm.jobs_of(array):
        assert slurm.end(job) == "COMPLETED", slurm.told(job)
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        trials = connection.execute("select state, count(*) from trial group by 1").fetchall()
        done = connection.execute("select trial_id, owner from attempt where outcome = 'done'").fetchall()
    assert trials == [("done", 6)]
    assert len(done) == len({trial for trial, _ in done}) == 6
    assert len({owner for _, owner in done}) == 2, "both jobs trained"
