"""Who holds a lease: a driver process, told apart from a later one with the same number and from one elsewhere."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


@cache
def this_machine() -> str:
    """``host/boot/namespace``: where a process number means one process. Containers and cloned machines share a name.

    Without both of Linux's marks it is empty after the name: then no owner is called dead by a number.
    """
    try:
        boot = BOOT_ID.read_text().strip().replace("-", "")[:12]
        namespace = str(PID_NAMESPACE.readlink()).strip("pid:[]")
    except OSError:
        boot = namespace = ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def this_owner() -> str:
    """``host/boot/namespace:pid:start`` of this process; start is in whole seconds since 1970."""
    return f"{this_machine()}:{os.getpid()}:{int(psutil.Process().create_time())}"


def is_dead(owner: str) -> bool:
    """True when ``owner`` was a process of this boot and PID namespace that no longer lives; False when that cannot be
    known, and the lease decides.

    >>> is_dead(this_owner()), is_dead("a host:12:1700000000")
    (False, False)
    """
    try:
        machine, pid, start = owner.rsplit(":", 2)
        number, began = int(pid), int(start)
    except ValueError:
        return False
    if machine != this_machine() or machine.endswith("//"):
        return False
    try:
        process = psutil.Process(number)
        return process.status() == psutil.STATUS_ZOMBIE or abs(int(process.create_time()) - began) > 1
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
