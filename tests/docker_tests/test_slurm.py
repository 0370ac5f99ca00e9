"""docker/slurm.sbatch, run for real with small stand-ins for Slurm's, Ray's and our own commands on PATH."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "slurm.sbatch"

SRUN = """#!/bin/bash
# As srun does: the first SIGINT is passed on only with --disable-status.
echo "srun $*" >> "$LOG"
status=no
while [[ "${1:-}" == -* ]]; do
  case "$1" in
    --disable-status) status=off; shift ;;
    -w) shift 2 ;;
    *) shift ;;
  esac
done
# Before the task begins: the test sends its signal as soon as the task says that it has.
if [ $status = off ]; then trap 'kill -TERM $!' INT; else trap ':' INT; fi
trap 'kill $!' TERM
"$@" &
while true; do wait $!; code=$?; kill -0 $! 2>/dev/null || exit $code; done
"""
SWEEP = """#!/bin/bash
echo "sweep $*" >> "$LOG"
trap 'sleep 2; [ -s "$RAY_AUTH_TOKEN_PATH" ] && echo "stopped with a token" >> "$LOG"; exit 7' TERM
echo started >> "$LOG"
while true; do sleep 0.1; done
"""
RAY = """#!/bin/bash
echo "ray $*" >> "$LOG"
if [ "$2" = --head ]; then
  exec python3 -c 'import os, socket, time; s = socket.create_server(("", int(os.environ["PORT"]))); time.sleep(30)'
fi
exec sleep 30
"""
SCONTROL = """#!/bin/bash
if [ "$2" = hostnames ]; then printf 'n1\\nn2\\n'; else echo "NodeName=$4 NodeAddr=127.0.0.1 State=IDLE"; fi
"""
SQUEUE = "#!/bin/bash\necho 'n[1-2]'\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """The environment of a batch script, with the stand-ins first on PATH."""
    tools = tmp_path / "venv" / "bin"
    tools.mkdir(parents=True)
    for name, text in {"srun": SRUN, "sweep": SWEEP, "ray": RAY, "scontrol": SCONTROL, "squeue": SQUEUE}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "VENV": str(tmp_path / "venv"),
        "HOME": str(tmp_path),
        "LOG": str(tmp_path / "log"),
        "START_S": "0.1",
        "PORT": str(free_port()),
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_GPUS_ON_NODE": "1",
    }


def start(job: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """The script in a session of its own, up to the start of its driver."""
    script = subprocess.Popen(
        ["env", "--default-signal=INT", "bash", str(SCRIPT), *arguments], env=job, start_new_session=True
    )
    log = Path(job["LOG"])
    deadline = time.monotonic() + 30
    while not (log.exists() and "started" in log.read_text()):
        assert time.monotonic() < deadline and script.poll() is None
        time.sleep(0.05)
    return script


def end(script: subprocess.Popen[bytes]) -> None:
    """As Slurm does when a batch script is over: no step outlives it."""
    found = subprocess.run(["ps", "-eo", "pid,sess"], capture_output=True, text=True, check=True).stdout
    for line in found.splitlines()[1:]:
        number, session = map(int, line.split())
        if session == script.pid:
            os.kill(number, signal.SIGKILL)


def test_the_script_waits_for_a_driver_that_takes_two_seconds_to_stop(job: dict[str, str], tmp_path: Path):
    script = start(job, "--space", "paper")
    try:
        began = time.monotonic()
        script.send_signal(signal.SIGINT)
        assert script.wait(20) == 7, "the driver's own exit status"
        assert time.monotonic() - began >= 2
        assert "stopped with a token" in (tmp_path / "log").read_text()
        assert not list(tmp_path.glob(".edge-sweep-ray-token-*")), "the token goes with the job"
    finally:
        end(script)


def test_a_second_signal_does_not_end_the_wait(job: dict[str, str], tmp_path: Path):
    script = start(job)
    try:
        script.send_signal(signal.SIGINT)
        time.sleep(0.5)
        script.send_signal(signal.SIGTERM)
        assert script.wait(20) == 7
        assert "stopped with a token" in (tmp_path / "log").read_text()
    finally:
        end(script)


def test_nodes_start_with_all_they_have_and_workers_train_on_gpus(job: dict[str, str], tmp_path: Path):
    script = start(job, "--space", "paper", "--gpus-per-worker", "0.5")
    try:
        deadline = time.monotonic() + 30
        while (tmp_path / "log").read_text().count("ray start") < 4:  # each once as a step, once as it runs
            assert time.monotonic() < deadline
            time.sleep(0.05)
        script.send_signal(signal.SIGINT)
        script.wait(20)
        lines = (tmp_path / "log").read_text().splitlines()
        address = f"127.0.0.1:{job['PORT']}"
        assert f"sweep run --address {address} --gpus-per-worker 1 --space paper --gpus-per-worker 0.5" in lines
        nodes = [line for line in lines if line.startswith("ray start")]
        assert all("--num-cpus=8 --num-gpus=1" in line and "--node-ip-address=127.0.0.1" in line for line in nodes)
        assert [f"--address={address}" in line for line in nodes] == [False, True]
        steps = [line for line in lines if line.startswith("srun") and "start" in line]
        assert all("--cpus-per-task=8" in step for step in steps)
    finally:
        end(script)


def test_a_job_without_gpus_asks_for_none(job: dict[str, str], tmp_path: Path):
    del job["SLURM_GPUS_ON_NODE"]
    script = start(job)
    try:
        script.send_signal(signal.SIGINT)
        script.wait(20)
        assert "--gpus-per-worker" not in (tmp_path / "log").read_text()
    finally:
        end(script)
