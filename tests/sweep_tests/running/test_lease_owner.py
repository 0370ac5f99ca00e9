"""A driver is dead only when this host knows it: no such process, a zombie, or another process with its number."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import psutil
import pytest

from sweep.running.lease_owner import is_dead, this_owner

HOST = socket.gethostname()


def test_this_process_is_alive() -> None:
    assert not is_dead(this_owner())
    assert this_owner().rsplit(":", 2)[:2] == [HOST, str(os.getpid())]


def test_a_driver_of_another_host_is_never_taken_for_dead() -> None:
    assert not is_dead("another-host:4194999:1")
    assert not is_dead(f"another-host:{os.getpid()}:1")


def test_a_number_that_was_given_to_another_process_is_a_dead_driver() -> None:
    began = int(psutil.Process().create_time())
    assert is_dead(f"{HOST}:{os.getpid()}:{began - 1000}")
    assert is_dead(f"{HOST}:{os.getpid()}:{began - 2}")
    assert is_dead(f"{HOST}:{os.getpid()}:{began + 2}")
    assert not is_dead(f"{HOST}:{os.getpid()}:{began - 1}"), "a second of rounding is forgiven"


def test_a_number_without_a_process_is_a_dead_driver() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert is_dead(f"{HOST}:{done.pid}:1")


def test_a_process_that_ended_and_was_not_waited_for_is_a_dead_driver() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        began = int(process.create_time())
        assert child.stdout is not None and child.stdout.read() == b""
        for _ in range(200):
            if process.status() == psutil.STATUS_ZOMBIE:
                break
            import time

            time.sleep(0.02)
        assert is_dead(f"{HOST}:{child.pid}:{began}")


@pytest.mark.parametrize("owner", ["", "driver", "a:b", f"{HOST}:x:1", f"{HOST}:1:x"])
def test_an_owner_that_cannot_be_read_is_not_taken_for_dead(owner: str) -> None:
    assert not is_dead(owner)
