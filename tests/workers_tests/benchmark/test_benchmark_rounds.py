import pytest

from search_space.facts import Speed
from workers.benchmark.measurements import with_ties
from workers.sensors import Reading
from workers.timing.disturbance import Visit, Window, choose, reasons
from workers.timing.energy import per_frame
from workers.timing.sensor_summary import Sensed, sensed

QUIET = Window(wall=10.0, own=15.0, others=0.1, steal=0.0, cores=2)
LOADED = Window(wall=10.0, own=10.0, others=8.0, steal=0.0, cores=2)
STOLEN = Window(wall=10.0, own=10.0, others=0.1, steal=6.0, cores=2)


def one(reference: float = 1.0, window: Window = QUIET, reading: Reading | None = None, after: float = 0.0) -> Visit:
    return Visit((0.5, 0.5), (reference, after or reference), window, reading or Reading(clock_mhz=2000.0))


def test_quiet_visits_are_kept_in_order() -> None:
    visits = [one(), one(), one()]
    choice = choose(visits, 2)
    assert choice.kept == tuple(visits[:2])
    assert choice.enough
    assert choice.disturbed == ()


def test_a_visit_with_other_processes_is_left_out_and_says_why() -> None:
    visits = [one(), one(window=LOADED), one()]
    choice = choose(visits, 2)
    assert choice.kept == (visits[0], visits[2])
    assert choice.disturbed == ("other processes took 40 % of the CPU",)


def test_time_stolen_by_the_hypervisor_counts_as_disturbance() -> None:
    assert "stolen" in (reasons([one(), one(window=STOLEN)])[1] or "")


def test_a_visit_beside_which_the_reference_was_slow_is_disturbed_whatever_the_cause() -> None:
    found = reasons([one(1.0), one(1.01), one(1.3), one(0.99)])
    assert found[2] is not None
    assert "reference" in found[2]
    assert found.count(None) == 3


def test_a_reference_that_was_slow_only_afterwards_disturbs_as_well() -> None:
    assert "1.40 times" in (reasons([one(1.0), one(1.0, after=1.4)], known=1.0)[1] or "")


def test_the_time_over_the_references_is_that_of_the_same_visit() -> None:
    assert one(1.0, after=1.5).relative == pytest.approx(0.5 / 1.25)


def test_a_slow_spell_over_a_whole_group_shows_by_what_was_usual_before() -> None:
    assert reasons([one(1.5), one(1.5)]) == [None, None]
    assert all("1.50 times" in (reason or "") for reason in reasons([one(1.5), one(1.5)], known=1.0))
    assert reasons([one(0.9), one(0.9)], known=1.0) == [None, None]


@pytest.mark.parametrize(
    "reading",
    [Reading(throttled=("under-voltage",)), Reading(clock_mhz=1500.0), Reading(strangers=1)],
)
def test_a_throttled_or_shared_device_disturbs(reading: Reading) -> None:
    assert reasons([one(), one(reading=reading), one()])[1] is not None


def test_without_enough_quiet_visits_the_least_disturbed_are_used_and_it_is_said() -> None:
    visits = [one(2.0, LOADED), one(1.0), one(1.5, LOADED)]
    choice = choose(visits, 2)
    assert choice.kept == (visits[1], visits[2])
    assert not choice.enough


def test_a_very_short_window_forgives_what_the_kernel_cannot_count() -> None:
    assert Window(wall=0.1, own=0.1, others=0.03, steal=0.0, cores=2).verdict() is None


def test_energy_of_a_frame_is_above_idle_and_unknown_where_the_run_drew_no_more() -> None:
    assert per_frame(10.0, 4.0, 3.0, 6).energy_j == pytest.approx(3.0)
    for watts in (3.0, 4.0):
        found = per_frame(watts, 4.0, 3.0, 6)
        assert (found.power_w, found.energy_j) == (watts, None)
        assert "no more than the idle machine's 4 W" in (found.why or "")


def test_what_the_sensors_said_of_a_figure_is_that_of_its_visits() -> None:
    hot = Reading(temperature_c=70.0, clock_mhz=1800.0, throttled=("power cap",))
    cool = Reading(temperature_c=50.0, clock_mhz=2000.0, throttled=())
    assert sensed([one(reading=hot), one(reading=cool)]) == Sensed(70.0, 1900.0, ("power cap",))
    assert sensed([one(reading=cool), one(reading=Reading())]).throttled == ()
    assert sensed([one(reading=Reading())]) == Sensed(None, None, None)


def test_overlapping_intervals_are_ties_and_distant_ones_are_not() -> None:
    def speed(name: str, seconds: float) -> Speed:
        return Speed(name, "d", "eager", "fp32", "fullhd14", 1 / seconds, seconds, 0.1 * seconds, seconds, 14)

    tied = {s.config: s.detail["tied_with"] for s in with_ties([speed("a", 1.0), speed("b", 1.03), speed("c", 2.0)])}
    assert tied == {"a": ["b"], "b": ["a"], "c": []}
