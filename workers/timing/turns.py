"""Networks take turns (A B C A B C) with a reference between them. Python's own library only, as boards run it too.

A block is a few networks that are visited between two looks at the reference. Only a block during which the machine
was disturbed is visited again: slow spells last from a tenth of a second to minutes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Protocol

from search_space.errors import first_line
from workers.sensors import Reading
from workers.timing.disturbance import Visit, VisitChoice, Window, choose, is_slow, usual_reference

BLOCK = 5
"""Networks that are visited between two looks at the reference."""
LOOKS = 30
"""Looks at the reference before the first block, to know its usual time."""
PAUSE_S = 0.1
"""Between two looks at a reference that is slow."""
PATIENCE = 2
"""At most this many times the rounds asked for: a machine that is never undisturbed is measured all the same, and its
measurements are marked."""
PATIENT_S = 6.0
"""Seconds for which rounds of quick networks are repeated at least, and of one wait for the reference: a slow spell may
last longer than ``PATIENCE`` rounds."""
WAIT_SHARE = 0.5
"""Seconds of waiting allowed per second of measuring."""
VISIT_S = 0.02
"""A visit times frames for at least this long: one frame of a millisecond is too few."""
VISIT_FRAMES = 64
"""At most this many frames per visit."""

Turn = Callable[[], tuple[float, ...]]
"""Visits a network: seconds of each frame."""


class Watch(Protocol):
    """Counts CPU time from when it is made."""

    def stop(self) -> Window:
        """CPU time since then."""
        ...


class Stopped(Exception):
    """The network at ``place`` was ready and failed with ``error`` while it was measured."""

    def __init__(self, place: int, error: Exception) -> None:
        super().__init__(str(error))
        self.place, self.error = place, error


@contextmanager
def watched(place: int) -> Iterator[None]:
    """Raise Stopped for the network at ``place`` on any error inside."""
    try:
        yield
    except Exception as error:
        raise Stopped(place, error) from error


def visited(seconds: Sequence[float], frames: int) -> bool:
    """Whether a visit of at least ``frames`` frames has timed enough.

    >>> visited([0.5], 2), visited([0.5, 0.5], 2), visited([0.001, 0.001], 2), visited([0.001] * 20, 2)
    (False, True, False, True)
    """
    return len(seconds) >= frames and (sum(seconds) >= VISIT_S or len(seconds) >= VISIT_FRAMES)


def frames_left(seconds: Sequence[float], frames: int) -> int:
    """How many more frames a visit of at least ``frames`` frames should time, by those that it has timed.

    >>> frames_left([], 2), frames_left([0.002, 0.002], 2), frames_left([0.5, 0.5], 2), frames_left([1e-6] * 4, 2)
    (2, 8, 0, 60)
    """
    if visited(seconds, frames):
        return 0
    if len(seconds) < frames:
        return frames - len(seconds)
    mean = sum(seconds) / len(seconds)
    by_time = math.ceil((VISIT_S - sum(seconds)) / mean) if mean > 0 else VISIT_FRAMES
    return max(1, min(VISIT_FRAMES - len(seconds), by_time))


class ReferenceFailed(Exception):
    """The reference ran before and fails now, so nothing can be measured."""


class Reference:
    """The network that is timed between the others, and its usual time, when nothing disturbs it.

    ``known``: its usual time in earlier sessions, in seconds. Every look raises ReferenceFailed when the network fails.
    """

    def __init__(self, turn: Turn, known: float | None = None) -> None:
        self._turn = turn
        self._known = known
        self._looks: list[float] = []
        self._last: float | None = None
        self._began = 0.0
        self._may_wait = PATIENT_S

    @property
    def usual(self) -> float | None:
        """Seconds of its frame on the undisturbed machine, as far as measured; a slow spell does not raise it."""
        seen = usual_reference(self._looks) if len(self._looks) >= LOOKS else None
        both = [one for one in (self._known, seen) if one is not None]
        return min(both, default=None)

    def learn(self) -> None:
        """Time it for about two seconds before anything is measured."""
        for _ in range(LOOKS):
            self._look()
            time.sleep(PAUSE_S / 2)

    def forget(self) -> None:
        """Keep the usual time and drop the single looks."""
        self._known, self._looks, self._last = self.usual, [], None

    def before(self) -> float:
        """Seconds of its frame before a block; waits a little while it is slower than usual."""
        seen = self._look() if self._last is None else self._last
        while is_slow(seen, self.usual) and self._may_wait > 0:
            start = time.perf_counter()
            time.sleep(PAUSE_S)
            seen = self._look()
            self._may_wait -= time.perf_counter() - start
        self._began = time.perf_counter()
        return seen

    def after(self) -> float:
        """Seconds of its frame after a block."""
        self._last = self._look()
        measured = time.perf_counter() - self._began
        self._may_wait = min(PATIENT_S, self._may_wait + WAIT_SHARE * measured)
        return self._last

    def _look(self) -> float:
        try:
            seconds = self._turn()
        except Exception as error:
            raise ReferenceFailed(f"the reference fails here: {first_line(error)}") from error
        self._looks.append(median(seconds))
        return self._looks[-1]


def take_turns(
    turns: Sequence[Turn], wanted: int, reference: Reference, cpu: Callable[[], Watch], read: Callable[[], Reading]
) -> list[VisitChoice]:
    """Visit each network until it has ``wanted`` undisturbed visits or a limit is reached; the visits chosen for each.

    ``cpu`` starts a watch of CPU time, ``read`` asks the sensors. Raises Stopped when a network fails.
    """
    seen = [list[Visit]() for _ in turns]
    choices = [VisitChoice() for _ in turns]
    until, rounds = time.perf_counter() + PATIENT_S, 0
    while not all(one.enough for one in choices) and (rounds < PATIENCE * wanted or time.perf_counter() < until):
        rounds += 1
        for first in range(0, len(turns), BLOCK):
            if not choices[first].enough:
                visits = take_block(turns[first : first + BLOCK], first, reference, cpu, read)
                for place, visit in enumerate(visits, start=first):
                    seen[place].append(visit)
        if rounds >= wanted:
            choices = [choose(visits, wanted, reference.usual) for visits in seen]
    reference.forget()
    return choices


def take_block(
    turns: Sequence[Turn], first: int, reference: Reference, cpu: Callable[[], Watch], read: Callable[[], Reading]
) -> list[Visit]:
    """One visit to each network of a block whose first is at place ``first``."""
    before, watch = reference.before(), cpu()
    seconds = []
    for place, turn in enumerate(turns, start=first):
        with watched(place):
            seconds.append(turn())
    reading, after = read(), reference.after()
    window = watch.stop()
    return [Visit(one, (before, after), window, reading) for one in seconds]
