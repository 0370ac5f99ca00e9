"""Cores that a host has moved apart, brought together again. Without other packages, for boards too.

A virtual machine's cores are threads of its host, which moves them. While two of them share a cache, a line goes from
one to the other and back in some 90 ns, else in 600 to 800 (docs/decisions/081): then whatever two threads do together
is slower, small networks by half, and no counter of the guest tells. A core that another has woken is placed near it.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

MOST = 16
"""Cores that take part."""


def wake_each_other(seconds: float) -> None:
    """For so long a byte goes round the cores, each asleep until it comes; where there is one core, just sleep."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        time.sleep(seconds)
        return
    ring = [os.pipe() for _ in cores[:MOST]]

    def hand_on(place: int) -> None:
        _stay_on({cores[place]})
        (source, _), (_, target) = ring[place], ring[(place + 1) % len(ring)]
        while byte := os.read(source, 1):
            os.write(target, byte)
        if place + 1 < len(ring):
            os.close(target)

    others = [threading.Thread(target=hand_on, args=(place,), daemon=True) for place in range(1, len(ring))]
    for one in others:
        one.start()
    try:
        _stay_on({cores[0]})
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            os.write(ring[1][1], b".")
            os.read(ring[0][0], 1)
    finally:
        # The end of the bytes goes round as they did; each closes the way to the next.
        os.close(ring[1][1])
        for one in others:
            one.join()
        for source, _ in ring:
            os.close(source)
        os.close(ring[0][1])
        _stay_on(set(cores))


def _stay_on(cores: set[int]) -> None:
    """This thread alone; where that is not allowed the kernel chooses."""
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
