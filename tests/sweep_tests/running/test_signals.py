"""Every command that drives a sweep ends with status 130 after Ctrl-C."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.sweep_tests.cli.test_run import some, wait_for
from tests.sweep_tests.conftest import SWEEP


@pytest.mark.slow
def test_a_search_that_is_interrupted_says_how_to_go_on_and_exits_with_130(small_data, tmp_path):
    db = tmp_path / "s.db"
    asked = (
        *("search", "--space", "demo", "--scale", "4", "--recipe", "smoke", "--steps", "1000000", "--budget", "2"),
        *("--batch", "2", "--benchmark-later", "--objectives", "psnr:Set5,macs", "--executor", "inline"),
        *("--data-root", str(small_data), "--db", str(db)),
    )
    run = subprocess.Popen([SWEEP, *asked], stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: some(db, "running"))
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130, stderr
    assert "Traceback" not in stderr and "the same command goes on from here" in stderr
