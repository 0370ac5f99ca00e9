"""Only a process of this boot and this PID namespace may be called dead by its number."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from sweep.running.lease_owner import is_dead, this_machine, this_owner


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
