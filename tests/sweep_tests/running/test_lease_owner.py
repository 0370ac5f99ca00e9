"""A driver is dead only when this boot and PID namespace know it: no such process, a zombie, or another one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import psutil
import pytest

from sweep.running.lease_owner import is_dead, this_machine, this_owner

MACHINE = this_machine()


def test_this_process_is_alive() -> None:
    assert not is_dead(this_owner())
    assert this_owner().rsplit(":", 2)[:2] == [MACHINE, str(os.getpid())]


def test_a_driver_of_another_host_is_never_taken_for_dead() -> None:
    assert not is_dead("another-host:4194999:1")
    assert not is_dead(f"another-host:{os.getpid()}:1")


def test_a_number_that_was_given_to_another_process_is_a_dead_driver() -> None:
    began = int(psutil.Process().create_time())
    assert is_dead(f"{MACHINE}:{os.getpid()}:{began - 1000}")
    assert is_dead(f"{MACHINE}:{os.getpid()}:{began - 2}")
    assert is_dead(f"{MACHINE}:{os.getpid()}:{began + 2}")
    assert not is_dead(f"{MACHINE}:{os.getpid()}:{began - 1}"), "a second of rounding is forgiven"


def test_a_number_without_a_process_is_a_dead_driver() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert is_dead(f"{MACHINE}:{done.pid}:1")


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
        assert is_dead(f"{MACHINE}:{child.pid}:{began}")


@pytest.mark.parametrize("owner", ["", "driver", "a:b", f"{MACHINE}:x:1", f"{MACHINE}:1:x"])
def test_an_owner_that_cannot_be_read_is_not_taken_for_dead(owner: str) -> None:
    assert not is_dead(owner)


def ended_child() -> str:
    told = "from sweep.running.lease_owner import this_owner; print(this_owner())"
    return subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_of_this_machine_that_ended_is_dead():
    assert is_dead(ended_child()) and not is_dead(this_owner())


@pytest.mark.parametrize("part", [1, 2])
def test_a_process_of_another_boot_or_namespace_with_the_same_host_name_is_not_called_dead(part):
    machine, pid, start = ended_child().rsplit(":", 2)
    parts = machine.split("/")
    parts[part] = "4026531000"
    assert not is_dead(f"{'/'.join(parts)}:{pid}:{start}")


def test_an_owner_as_older_versions_wrote_it_is_left_to_its_lease():
    host = this_machine().split("/")[0]
    assert not is_dead(f"{host}:4194999:1")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="a PID namespace of its own needs root")
def test_a_real_namespace_has_another_name_and_does_not_call_us_dead():
    told = f"from sweep.running.lease_owner import *; print(this_machine()); print(is_dead({this_owner()!r}))"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", told]
    machine, dead = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert machine != this_machine() and dead == "False"
