"""Whatever a tracker does, the one who tells it neither waits nor fails, and there is one warning."""

from __future__ import annotations

import threading
import time

from sweep.tracking.follower import MOST_FAILURES, Follower
from tests.sweep_tests.tracking.kit import Told


def test_work_is_done_in_order_and_the_end_comes_last():
    seen: list[int] = []
    follower = Follower("told", Told, warn=lambda text: seen.append(-1))
    for number in range(100):
        follower.send(lambda tracker, number=number: seen.append(number))
    follower.close(lambda tracker: seen.append(100), wait_s=20)
    assert seen == list(range(101))


def test_a_tracker_that_cannot_be_made_is_one_warning():
    def broken() -> Told:
        raise OSError("no such server")

    warnings: list[str] = []
    follower = Follower("broken", broken, warnings.append)
    for _ in range(5):
        follower.send(lambda tracker: None)
    follower.close(lambda tracker: None, wait_s=20)
    assert warnings == ["tracker broken: it cannot start: no such server"]


def test_a_tracker_that_fails_each_time_is_one_warning_and_is_left_alone():
    def fail(tracker: object) -> None:
        tries.append(1)
        raise SystemExit("I leave")

    warnings, tries = [], []
    follower = Follower("failing", Told, warnings.append)
    for _ in range(20):
        follower.send(fail)
    follower.close(fail, wait_s=20)
    assert warnings == ["tracker failing: I leave"]
    assert len(tries) == MOST_FAILURES + 1, "it is told the end all the same"


def test_one_failure_does_not_end_it():
    def fail_at_three(tracker: object, number: int) -> None:
        if number == 3:
            raise ValueError("once")
        seen.append(number)

    warnings, seen = [], []
    follower = Follower("hiccup", Told, warnings.append)
    for number in range(6):
        follower.send(lambda tracker, number=number: fail_at_three(tracker, number))
    follower.close(lambda tracker: seen.append(6), wait_s=20)
    assert seen == [0, 1, 2, 4, 5, 6] and warnings == ["tracker hiccup: once"]


def test_a_tracker_that_hangs_is_not_waited_for():
    released = threading.Event()
    warnings: list[str] = []
    follower = Follower("hanging", Told, warnings.append, most_waiting=5)
    began = time.monotonic()
    for _ in range(1000):
        follower.send(lambda tracker: released.wait(60))
    assert time.monotonic() - began < 5, "telling never waits"
    follower.close(lambda tracker: None, wait_s=60, stuck_s=0.3)
    assert time.monotonic() - began < 10
    released.set()
    assert warnings == ["tracker hanging: it is too slow: some of what happens is not told"]
