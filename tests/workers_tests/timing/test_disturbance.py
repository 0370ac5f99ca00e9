"""Where a visit begins to count as disturbed, and in which order reasons are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workers.sensors import Reading
from workers.timing.disturbance import Visit, VisitChoice, Window, choose, is_slow, reasons, usual_reference

QUIET = Window(wall=10.0, own=5.0, others=0.0, steal=0.0, cores=2)
BUSY = replace(QUIET, others=8.0)


def one(
    *references: float, window: Window = QUIET, reading: Reading | None = None, seconds: tuple[float, ...] = (0.5,)
) -> Visit:
    return Visit(seconds, references or (1.0,), window, reading or Reading())


def test_shares_are_of_all_cores() -> None:
    window = Window(wall=10.0, own=5.0, others=1.0, steal=0.5, cores=2)
    assert window.others_share == pytest.approx(0.075)
    assert window.own_percent == pytest.approx(25.0)
    assert replace(window, own=90.0).own_percent == 100.0
    assert Window(0.0, 0.0, 0.0, 0.0, 2).others_share == 0.0


@pytest.mark.parametrize(
    ("others", "steal", "wall", "said"),
    [
        (0.8, 0.0, 10.0, None),
        (0.82, 0.0, 10.0, "other processes took 4 % of the CPU"),
        (0.05, 0.0, 0.1, None),
        (0.06, 0.0, 0.1, "other processes took 30 % of the CPU"),
        (12.0, 0.0, 10.0, "other processes took 60 % of the CPU"),
        (1.0, 1.0, 10.0, "other processes took 10 % of the CPU"),
        (1.0, 1.2, 10.0, "other processes took 11 % of the CPU (1.20 s stolen by the hypervisor)"),
        (0.0, 3.0, 10.0, "other processes took 15 % of the CPU (3.00 s stolen by the hypervisor)"),
    ],
)
def test_a_window_is_disturbed_beyond_a_share_and_a_slack(
    others: float, steal: float, wall: float, said: str | None
) -> None:
    assert Window(wall, 0.0, others, steal, 2).verdict() == said


@pytest.mark.parametrize(
    ("references", "usual"),
    [([3.0], 3.0), ([3.0, 1.0], 1.0), ([3.0, 2.0, 1.0], 1.0), ([4.0, 3.0, 2.0, 1.0], 1.5), ([9, 8, 7, 3, 2, 1, 5], 2)],
)
def test_what_is_usual_is_the_median_of_the_quickest_third(references: list[float], usual: float) -> None:
    assert usual_reference(references) == usual


def test_slow_is_more_than_a_fifth_over_the_usual() -> None:
    assert not is_slow(2.4, 2.0) and is_slow(2.41, 2.0) and not is_slow(9.0, None)


@pytest.mark.parametrize(
    ("visit", "said"),
    [
        (one(), None),
        (one(1.0, 1.3), "the reference took 1.30 times its usual time"),
        (one(1.3, 1.0), "the reference took 1.30 times its usual time"),
        (one(reading=Reading(throttled=("hot", "cap"))), "throttled: hot, cap"),
        (one(reading=Reading(throttled=())), None),
        (one(reading=Reading(strangers=2)), "2 other processes on the GPU"),
        (one(reading=Reading(strangers=0)), None),
        (one(reading=Reading(clock_mhz=1700.0)), "clock at 85 % of the highest seen"),
        (one(reading=Reading(clock_mhz=1800.0)), None),
        (one(window=BUSY, reading=Reading(throttled=("hot",))), "other processes took 40 % of the CPU"),
    ],
)
def test_a_visit_is_judged_by_load_throttling_strangers_clock_and_reference(visit: Visit, said: str | None) -> None:
    highest = one(reading=Reading(clock_mhz=2000.0))
    assert reasons([highest, visit]) == [None, said]
    assert reasons([]) == []


def test_a_usual_time_from_before_counts_where_it_is_the_shorter_one() -> None:
    assert reasons([one(1.0)], known=0.5) == ["the reference took 2.00 times its usual time"]
    assert reasons([one(1.0)], known=5.0) == [None]


def test_quiet_visits_come_first_and_the_least_disturbed_fill_up() -> None:
    loud, louder, quiet, late = one(1.1, window=BUSY), one(1.2, window=BUSY), one(1.0), one(1.05)
    choice = choose([louder, loud, quiet, late], 3)
    assert choice == VisitChoice((quiet, late, loud), ("other processes took 40 % of the CPU",) * 2, False)
    assert choose([louder, quiet, late], 2) == VisitChoice(
        (quiet, late), ("other processes took 40 % of the CPU",), True
    )
    assert choose([quiet, late], 1) == VisitChoice((quiet,), (), True)
    assert choose([one(1.0)], 1, known=0.5).disturbed == ("the reference took 2.00 times its usual time",)
