"""A stop while Ray's head does not answer: the workers still hand out their states, and they are stored."""

from __future__ import annotations

import signal
import subprocess
import time

import psutil
import pytest

from tests.sweep_tests.cli.test_run import rows, some, wait_for
from tests.sweep_tests.conftest import GRACE_S, SWEEP


@pytest.mark.slow
def test_a_stop_stores_the_states_although_rays_head_does_not_answer(small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = ("run", "--space", "demo", "--family", "eSR-MAX", "--limit", "1", "--recipe", "smoke")
    asked += ("--steps", "1000000", "--no-benchmark", "--cpus-per-worker", "1", "--checkpoint-every", "0")
    run = subprocess.Popen(
        [SWEEP, *asked, "--data-root", str(small_data), "--db", str(db)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    processes: list[psutil.Process] = []
    try:
        wait_for(lambda: some(db, "running"))
        # Its worker is at work, and has asked nobody for what it needs to start.
        time.sleep(5)
        processes = psutil.Process(run.pid).children(recursive=True)
        (head,) = [process for process in processes if "gcs_server" in process.name()]
        head.suspend()
        time.sleep(3)
        sent = time.monotonic()
        run.send_signal(signal.SIGTERM)
        _, told = run.communicate(timeout=60)
        assert time.monotonic() - sent < GRACE_S
        assert run.returncode == 130, told[-2000:]
        assert "Traceback" not in told
        ((state, step),) = rows(db, "select state, step from trial join checkpoint on checkpoint.trial_id = trial.id")
        assert state == "pending" and step > 0
    finally:
        for process in [*processes, run]:
            process.kill()
