import itertools
from collections.abc import Callable, Iterator

import pytest

from workers.sensors import Reading
from workers.timing import turns as taking_turns
from workers.timing.disturbance import Window
from workers.timing.turns import (
    BLOCK,
    LOOKS,
    Reference,
    ReferenceFailed,
    Stopped,
    Turn,
    take_turns,
)

USUAL, SLOW = 1.0, 1.5


class Quiet:
    """Nobody else uses the CPU."""

    def stop(self) -> Window:
        return Window(1.0, 1.0, 0.0, 0.0, 2)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of each wait, which does not take them."""
    seen: list[float] = []
    monkeypatch.setattr("time.sleep", seen.append)
    monkeypatch.setattr(taking_turns, "PATIENT_S", 0.0)
    return seen


def recorded(times: Iterator[float]) -> Reference:
    """A reference that takes these times, one a look; it has learnt what is usual."""
    return Reference(lambda: (next(times),))


def looks(after: dict[int, float]) -> Iterator[float]:
    """The usual time at every look but these, counted from the end of the learning."""
    for number in range(-LOOKS, 10_000):
        yield after.get(number, USUAL)


def counting(number: int) -> tuple[list[int], list[Turn]]:
    """So many networks, and how often each was visited."""
    visits = [0] * number

    def turn(place: int) -> Turn:
        def visit() -> tuple[float, ...]:
            visits[place] += 1
            return (float(visits[place]),)

        return visit

    return visits, [turn(place) for place in range(number)]


def learnt(after: dict[int, float]) -> Reference:
    reference = recorded(looks(after))
    reference.learn()
    return reference


@pytest.mark.usefixtures("waits")
def test_only_the_disturbed_block_is_visited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_turns, "PATIENT_S", 6.0)
    visits, turns = counting(2 * BLOCK)
    # Looks: before the first block, after it, after the second.
    choices = take_turns(turns, 2, learnt({2: SLOW}), Quiet, Reading)
    assert visits == [2] * BLOCK + [3] * BLOCK
    assert all(one.enough for one in choices)
    assert [len(one.disturbed) for one in choices] == [0] * BLOCK + [1] * BLOCK
    assert [one.seconds for one in choices[-1].kept] == [(2.0,), (3.0,)]


@pytest.mark.usefixtures("waits")
def test_networks_take_turns_block_by_block_and_round_by_round() -> None:
    order: list[int] = []

    def turn(place: int) -> Callable[[], tuple[float, ...]]:
        def visit() -> tuple[float, ...]:
            order.append(place)
            return (1.0,)

        return visit

    take_turns([turn(place) for place in range(BLOCK + 2)], 2, learnt({}), Quiet, Reading)
    assert order == [*range(BLOCK + 2)] * 2


@pytest.mark.usefixtures("waits")
def test_patience_ends_and_the_figures_say_so() -> None:
    visits, turns = counting(1)
    (choice,) = take_turns(turns, 3, learnt(dict.fromkeys(range(1000), SLOW)), Quiet, Reading)
    assert visits == [taking_turns.PATIENCE * 3]
    assert (choice.enough, len(choice.kept)) == (False, 3)
    assert "1.50 times" in choice.disturbed[0]


def test_a_slow_reference_is_waited_for_before_a_block(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_turns, "PATIENT_S", 6.0)
    visits, turns = counting(1)
    reference = learnt({0: SLOW, 1: SLOW})
    learning = len(waits)
    (choice,) = take_turns(turns, 2, reference, Quiet, Reading)
    assert len(waits) - learning == 2
    assert (visits, choice.disturbed) == ([2], ())


def test_waiting_ends_when_the_machine_stays_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_turns, "PATIENT_S", 0.2)
    monkeypatch.setattr(taking_turns, "PAUSE_S", 0.05)
    reference = learnt(dict.fromkeys(range(10_000), SLOW))
    assert reference.before() == SLOW


@pytest.mark.usefixtures("waits")
def test_what_is_usual_is_remembered_from_group_to_group() -> None:
    reference = learnt(dict.fromkeys(range(10, 10_000), SLOW))
    assert reference.usual == USUAL
    for _ in range(2):
        take_turns(counting(1)[1], 30, reference, Quiet, Reading)
        assert reference.usual == USUAL


@pytest.mark.usefixtures("waits")
def test_a_network_that_fails_is_named_by_its_place() -> None:
    def broken() -> tuple[float, ...]:
        raise RuntimeError("out of memory")

    turns = counting(BLOCK + 1)[1]
    with pytest.raises(Stopped, match="out of memory") as found:
        take_turns([*turns, broken], 2, learnt({}), Quiet, Reading)
    assert found.value.place == BLOCK + 1


@pytest.mark.usefixtures("waits")
def test_a_look_of_the_past_does_not_speak_for_the_next_group() -> None:
    reference = learnt({2: SLOW})
    take_turns(counting(1)[1], 2, reference, Quiet, Reading)
    (choice,) = take_turns(counting(1)[1], 2, reference, Quiet, Reading)
    assert choice.disturbed == ()


@pytest.mark.usefixtures("waits")
def test_a_reference_that_fails_on_the_way_is_not_taken_for_a_network_that_does() -> None:
    times = looks({})

    def turn() -> tuple[float, ...]:
        try:
            return (next(times),)
        finally:
            if next(count) == LOOKS + 1:
                raise RuntimeError("the GPU is lost")

    count = itertools.count()
    reference = Reference(turn)
    reference.learn()
    with pytest.raises(ReferenceFailed, match="the GPU is lost"):
        take_turns(counting(1)[1], 2, reference, Quiet, Reading)
