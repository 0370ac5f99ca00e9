"""A speed is per frame, whatever the batch, and compares medians."""

from __future__ import annotations

import pytest

from search_space import parse_id
from search_space.facts import Speed
from workers.benchmark.measurements import speed, summary_of, with_ties
from workers.benchmark.subject import Subject
from workers.sensors import Reading
from workers.timing.disturbance import Visit, VisitChoice, Window
from workers.timing.energy import Energy

QUIET = Window(wall=10.0, own=15.0, others=0.1, steal=0.0, cores=2)
BUSY = Window(wall=10.0, own=15.0, others=0.3, steal=0.2, cores=2)
FIXED = {"device": "board", "backend": "eager", "precision": "fp32", "protocol": "fullhd14"}


def visit(*seconds: float, references: tuple[float, ...] = (0.1, 0.1), window: Window = QUIET) -> Visit:
    return Visit(seconds, references, window, Reading(temperature_c=50.0, clock_mhz=2000.0, throttled=()))


def figure(*visits: Visit, batch: int = 1, energy: Energy | None = None, **choice: object) -> Speed:
    subject = Subject(parse_id("Bicubic_s2"), lambda: None, (0.3, 0.2), True, memory_mib=12.0, energy=energy, cpu=[1.0])
    chosen = VisitChoice(visits, enough=True, **choice)  # type: ignore[arg-type]
    why = dict.fromkeys(("power_w", "energy_j", "memory_mib", "temperature_c", "clock_mhz", "throttled"), "no sensor")
    about = {"threads": 2, "missing": why}
    return speed(subject, chosen, batch, 2, FIXED, about)


def test_frames_per_second_and_joules_count_every_frame_of_a_batch() -> None:
    found = figure(visit(0.4, 0.4), batch=8, energy=Energy(12.0, 2.0))
    assert found.fps == pytest.approx(20.0)
    assert found.energy_j == pytest.approx(0.25)
    assert (found.power_w, found.seconds_median) == (12.0, pytest.approx(0.4))


def test_power_without_energy_gives_no_energy_and_says_why() -> None:
    found = figure(visit(0.4), energy=Energy(12.0, None, "no more than idle"))
    assert (found.power_w, found.energy_j) == (12.0, None)
    assert found.detail["missing"] == {"energy_j": "no sensor"}
    assert figure(visit(0.4)).power_w is None


def test_relative_time_is_the_median_within_a_visit_and_over_the_visits() -> None:
    assert visit(0.1, 0.2, 0.9, references=(0.1, 0.3)).relative == pytest.approx(0.2 / 0.2)
    visits = [visit(0.1), visit(0.3), visit(0.8)]
    assert figure(*visits).detail["relative"] == pytest.approx(3.0)


def test_the_references_time_is_the_median_over_the_visits() -> None:
    visits = [visit(0.1, references=(r, r)) for r in (0.1, 0.2, 0.9)]
    assert figure(*visits).detail["reference_seconds"] == pytest.approx(0.2)


def test_what_is_known_of_the_times_and_of_the_machine_is_kept() -> None:
    found = figure(visit(0.1, 0.2), visit(0.3, 0.4, window=BUSY), disturbed=("b", "a", "b", "c", "d"))
    assert (found.config, found.device, found.protocol) == ("Bicubic_s2", "board", "fullhd14")
    assert (found.seconds_median, found.seconds_min, found.runs) == (pytest.approx(0.25), 0.1, 4)
    assert found.seconds_iqr == pytest.approx(0.15)
    assert (found.memory_mib, found.temperature_c, found.cpu_percent) == (12.0, 50.0, 50.0)
    detail = dict(found.detail)
    assert detail.pop("measured_at").endswith("+00:00")
    assert detail.pop("reference_seconds") == pytest.approx(0.1)
    assert detail.pop("relative") == pytest.approx(2.5)
    assert detail == {
        "warm_frames": 2,
        "steady": True,
        "rounds": 2,
        "rounds_disturbed": 5,
        "disturbed": False,
        "disturbances": ["a", "b", "c"],
        "others_percent": 2.5,
        "threads": 2,
        "clock_mhz": 2000.0,
        "throttled": [],
        "missing": {"power_w": "no sensor", "energy_j": "no sensor"},
    }


def test_a_machine_that_tells_nothing_of_throttling_has_none_and_shares_are_rounded() -> None:
    window = Window(wall=10.0, own=15.0, others=0.123456, steal=0.0, cores=2)
    silent = Visit((0.1,), (0.1,), window, Reading())
    found = figure(silent)
    assert found.detail["throttled"] is None and found.detail["clock_mhz"] is None
    assert found.detail["others_percent"] == 0.62


def test_a_figure_without_its_spread_has_the_interval_of_one_exact_time() -> None:
    bare = Speed("a", "d", "eager", "fp32", "p", 4.0)
    assert summary_of(bare).interval == (0.25, 0.25)
    assert (summary_of(bare).least, summary_of(bare).n) == (0.25, 1)
    full = Speed("a", "d", "eager", "fp32", "p", 4.0, 0.3, 0.1, 0.2, 4)
    assert summary_of(full).interval == (pytest.approx(0.3 - 0.0785), pytest.approx(0.3 + 0.0785))
    assert summary_of(full).least == 0.2


def test_ties_are_added_beside_the_other_details() -> None:
    speeds = [Speed(n, "d", "eager", "fp32", "p", 1 / s, s, detail={"x": n}) for n, s in (("a", 1.0), ("b", 1.0))]
    assert [one.detail for one in with_ties(speeds)] == [{"x": "a", "tied_with": ["b"]}, {"x": "b", "tied_with": ["a"]}]
