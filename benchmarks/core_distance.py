"""What slow spells of a virtual machine are: its cores apart on the host. And does a rest end them?

python benchmarks/core_distance.py [--quick]     (needs a C compiler: a cache line's way cannot be timed from Python)

Networks run on both cores; between them the reference is looked at and, in every other pass, a cache line goes to and
fro between two threads. In the others, where the reference is slow, it is looked at again: at once or after a rest.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from _bench import SMALL, Neighbours, protocol_facts, sample, spearman
from _record import record

from search_space import parse_id
from workers.benchmark import REFERENCE, Session
from workers.benchmark.lock import whole_machine
from workers.timing.disturbance import is_slow, usual_reference
from workers.timing.turns import LOOKS, PAUSE_S

TRIPS = 20_000
Try = tuple[float, float]
"""Seconds of the rest, and of the reference after it."""
SOURCE = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

static _Alignas(64) atomic_int line;
static int trips;

static void stay_on(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *answer(void *unused) {
    stay_on(1);
    for (int i = 0; i < trips; i++) {
        while (atomic_load(&line) != 2 * i + 1) { }
        atomic_store(&line, 2 * i + 2);
    }
    return unused;
}

double nanoseconds_to_and_fro(int n) {
    pthread_t other;
    cpu_set_t before;
    struct timespec start, end;
    trips = n;
    atomic_store(&line, 0);
    pthread_getaffinity_np(pthread_self(), sizeof before, &before);
    stay_on(0);
    pthread_create(&other, 0, answer, 0);
    for (int i = 0; i < n; i++) {
        if (i == n / 10) clock_gettime(CLOCK_MONOTONIC, &start);
        atomic_store(&line, 2 * i + 1);
        while (atomic_load(&line) != 2 * i + 2) { }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    pthread_join(other, 0);
    pthread_setaffinity_np(pthread_self(), sizeof before, &before);
    return ((end.tv_sec - start.tv_sec) * 1e9 + end.tv_nsec - start.tv_nsec) / (n - n / 10);
}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    session, neighbours = Session("bench", protocol=SMALL), Neighbours()
    torch.set_num_threads(session.threads)
    with whole_machine(), compiled() as to_and_fro:
        turn = session._turn(session._subject(parse_id(REFERENCE)))
        others = [session._turn(one) for one in session._subjects(sample(6 if quick else 20))]
        looks, ways, tries = [median(turn()) for _ in range(LOOKS)], list[tuple[float, float]](), list[Try]()
        end, line_next = time.perf_counter() + (15 if quick else 300), True
        while time.perf_counter() < end:
            for other in others:
                other()
            looks.append(median(turn()))
            if line_next:
                ways.append((looks[-1], to_and_fro(TRIPS)))
            elif is_slow(looks[-1], usual_reference(looks)):
                rest = PAUSE_S if len(tries) % 2 else 0.0
                time.sleep(rest)
                tries.append((rest, median(turn())))
            line_next = not line_next
    usual = usual_reference(looks)
    measurements: dict[str, object] = {
        "looks": len(looks) - LOOKS,
        "looks_slow": sum(is_slow(one, usual) for one in looks[LOOKS:]),
        "rank_correlation_of_reference_and_way": round(spearman(*zip(*ways, strict=True)), 3),
    }
    for name, which in (("usual", False), ("slow", True)):
        picked = [(look, way) for look, way in ways if is_slow(look, usual) == which]
        measurements[f"reference_ms_when_{name}"] = (
            round(1e3 * median(look for look, _ in picked), 3) if picked else None
        )
        measurements[f"nanoseconds_to_and_fro_when_{name}"] = (
            round(median(way for _, way in picked), 1) if picked else None
        )
    for name, rest in (("at_once", 0.0), ("after_a_rest", PAUSE_S)):
        again = [look for one, look in tries if one == rest]
        measurements[f"slow_looked_at_again_{name}"] = len(again)
        measurements[f"usual_again_{name}"] = sum(not is_slow(one, usual) for one in again)
    measurements |= {"seconds_of_a_rest": PAUSE_S, **protocol_facts(SMALL), **neighbours.facts()}
    if not quick:
        print(record("core_distance", measurements, ("torch", "numpy")))
    print(measurements)


@contextmanager
def compiled() -> Iterator[Callable[[int], float]]:
    """The way of a cache line between two cores and back, in ns, as the median of three series."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "way.c", Path(folder) / "way.so"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lpthread"], check=True)
        way = ctypes.CDLL(str(library)).nanoseconds_to_and_fro
        way.restype = ctypes.c_double
        yield lambda trips: median(way(trips // 3) for _ in range(3))


if __name__ == "__main__":
    main()
