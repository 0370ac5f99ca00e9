"""Who holds a lease: a driver process, told apart from a later one with the same number."""

from __future__ import annotations

import os
import socket

import psutil


def this_owner() -> str:
    """``host:pid:start`` of this process; start is in whole seconds since 1970."""
    return f"{socket.gethostname()}:{os.getpid()}:{int(psutil.Process().create_time())}"


def is_dead(owner: str) -> bool:
    """True when ``owner`` was a process of this host that no longer lives; False when that cannot be known.

    >>> is_dead(this_owner())
    False
    """
    try:
        host, pid, start = owner.rsplit(":", 2)
        number, began = int(pid), int(start)
    except ValueError:
        return False
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(number)
        return process.status() == psutil.STATUS_ZOMBIE or abs(int(process.create_time()) - began) > 1
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
