from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search_space.errors import BadSpace
from sweep.search.hypervolume import hypervolume
from sweep.search.improvement import by_scalarisation
from sweep.search.objectives import Objective, parse_constraint, parse_objective, parse_objectives
from sweep.search.screening import Screened, growth, hopeless
from sweep.search.warp import Warp

POINTS = arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=st.floats(0, 8))


@given(POINTS)
def test_area_agrees_with_moocore(points: np.ndarray) -> None:
    import moocore

    expected = moocore.hypervolume(-points, ref=[0.0, 0.0])
    assert hypervolume(points, np.zeros(2)) == pytest.approx(expected, abs=1e-9)


@given(POINTS, POINTS)
def test_area_never_shrinks_with_more_points(points: np.ndarray, more: np.ndarray) -> None:
    assert hypervolume(np.vstack([points, more]), np.zeros(2)) >= hypervolume(points, np.zeros(2)) - 1e-12


def test_a_warp_and_its_expected_excess_agree_with_drawing() -> None:
    values = np.array([25.0, 28.0, 29.0, 29.5])
    warp = Warp.of(values)
    assert np.allclose(warp.undo(warp.do(values)), values)
    z = np.random.default_rng(1).normal(0.5, 0.4, 200_000)
    expected = np.maximum(warp.undo(z) - 28.5, 0).mean()
    assert warp.expected_excess(np.array([0.5]), np.array([0.4]), 28.5)[0] == pytest.approx(expected, rel=0.02)
    assert warp.expected_excess(np.array([0.5]), np.array([0.4]), 99.0)[0] == 0


def test_scalarised_improvement_is_nothing_for_the_dominated_and_most_for_the_best() -> None:
    front = np.array([[0.5, 0.5, 0.5]])
    outcomes = np.array([[[0.4, 0.4, 0.4], [0.7, 0.7, 0.7], [0.9, 0.9, 0.9]]])
    gain = by_scalarisation(outcomes, front, np.zeros(3), np.random.default_rng(0))
    assert gain[0] == 0
    assert 0 < gain[1] < gain[2]


def test_objectives_and_constraints_are_read_as_written() -> None:
    assert parse_objectives("psnr:Set14, fps:RPI,parameters") == (
        Objective("psnr", "Set14"),
        Objective("fps", "RPI"),
        Objective("parameters"),
    )
    bound = parse_constraint("power:AGX<=5")
    assert (str(bound), bound.violation(6.0), bound.violation(4.0)) == ("power:AGX<=5", 1.0, -1.0)
    assert parse_constraint("fps:RPI >= 30").violation(20) == 10


@pytest.mark.parametrize("text", ["psnr", "fps", "speed:RPI", "parameters:RPI", "", "psnr:Set5:x", "psnr:Set5"])
def test_other_objectives_are_refused(text: str) -> None:
    with pytest.raises(BadSpace):
        parse_objectives(text)


@pytest.mark.parametrize("text", ["fps:RPI=30", "fps:RPI>=x", "fps>=30", "fps:RPI>=", "fps:RPI>=nan", "30"])
def test_other_constraints_are_refused(text: str) -> None:
    with pytest.raises(BadSpace):
        parse_constraint(text)


@given(st.text(max_size=40))
def test_junk_objectives_never_crash(text: str) -> None:
    for parse in (parse_objective, parse_objectives, parse_constraint):
        try:
            parse(text)
        except BadSpace as error:
            assert str(error)


def test_a_config_is_hopeless_only_by_its_distance_to_the_frontier() -> None:
    expected = growth([(28.0, 29.0), (28.5, 29.4), (27.0, 28.1), (28.2, 29.2)])
    frontier = [(2.0, 29.0), (1.0, 30.0)]
    assert hopeless(Screened(1.5, 27.0), frontier, expected)
    assert not hopeless(Screened(3.0, 25.0), frontier, expected), "nothing else is as fast"
    assert not hopeless(Screened(1.5, 27.95), frontier, expected)


def test_nothing_is_hopeless_before_enough_is_known() -> None:
    assert not hopeless(Screened(0.0, 1.0), [(1.0, 30.0)], growth([(28.0, 29.0)] * 3))
