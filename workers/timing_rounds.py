"""Which rounds count, and whose fault a failed one is. Without other packages, as a board without torch runs it too.

A round has its reference time, the CPU use of others and what the sensors said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from workers.sensors import Reading

OTHERS_LIMIT = 0.04
"""Share of the machine's CPU time that other processes may take before a round counts as disturbed."""
OTHERS_SLACK_S = 0.05
"""CPU seconds of others that are always forgiven: the kernel counts in steps of 10 ms."""
SLOW_REFERENCE = 1.10
"""A round whose reference took this much longer than the quickest third's median was disturbed, by whatever."""
VISIT_S = 0.02
"""A visit goes on until its frames took this long together: a single frame of a millisecond says little."""
VISIT_FRAMES = 64
"""At most so many frames a visit."""
SLOW_CLOCK = 0.90
"""Fraction of the highest clock seen below which a round was throttled."""


@dataclass(frozen=True)
class Window:
    """CPU time between two readings, in seconds."""

    wall: float
    own: float
    """Of this process and its children."""
    others: float
    """Of every other process, interrupts included."""
    steal: float
    """Taken by the hypervisor for other machines."""
    cores: int

    @property
    def others_share(self) -> float:
        """0 to 1 of the machine's CPU time, taken by others or stolen."""
        return (self.others + self.steal) / max(self.wall * self.cores, 1e-9)

    @property
    def own_percent(self) -> float:
        """0 to 100 of the machine's CPU time, used by us."""
        return min(100.0, 100 * self.own / max(self.wall * self.cores, 1e-9))

    def verdict(self) -> str | None:
        """Why this window is disturbed, in words, or None."""
        taken = self.others + self.steal
        if taken <= OTHERS_SLACK_S or self.others_share <= OTHERS_LIMIT:
            return None
        what = f"other processes took {100 * self.others_share:.0f} % of the CPU"
        return f"{what} ({self.steal:.2f} s stolen by the hypervisor)" if self.steal > 0.5 * taken else what


@dataclass(frozen=True)
class Round:
    """One pass over a group of configs."""

    reference: float
    """Median seconds of the reference's frames in this round."""
    window: Window
    reading: Reading
    times: tuple[tuple[float, ...], ...]
    """Seconds of each frame, by config."""


@dataclass(frozen=True)
class Choice:
    """The rounds that make the figures, and why the others do not."""

    kept: tuple[Round, ...]
    disturbed: tuple[str, ...]
    """The reason of each disturbed round."""
    enough: bool
    """False when disturbed rounds had to be used to reach the wanted number."""


class Stopped(Exception):
    """The network at ``place`` of its group was ready and failed with ``error`` while it was measured."""

    def __init__(self, place: int, error: Exception) -> None:
        super().__init__(str(error))
        self.place, self.error = place, error


@contextmanager
def watched(place: int) -> Iterator[None]:
    """Whatever goes wrong inside is the network's at ``place``."""
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


def usual_reference(references: Sequence[float]) -> float:
    """The median of the quickest third of the reference's times."""
    return median(sorted(references)[: max(1, -(-len(references) // 3))])


def reasons(rounds: Sequence[Round], known: float | None = None) -> list[str | None]:
    """Why each round is disturbed, or None; judged together, as slow is slow beside the others.

    ``known``: the reference's usual time in what was measured before, in seconds. A slow spell that covers a whole
    group of rounds shows by it alone.
    """
    if not rounds:
        return []
    usual = usual_reference([one.reference for one in rounds])
    usual = usual if known is None else min(usual, known)
    clocks = [one.reading.clock_mhz for one in rounds if one.reading.clock_mhz is not None]
    highest = max(clocks, default=None)
    return [_reason(one, usual, highest) for one in rounds]


def choose(rounds: Sequence[Round], wanted: int, known: float | None = None) -> Choice:
    """The first ``wanted`` quiet rounds; when there are not so many, the least disturbed fill up."""
    why = reasons(rounds, known)
    quiet = [one for one, reason in zip(rounds, why, strict=True) if reason is None]
    spoilt = [one for one, reason in zip(rounds, why, strict=True) if reason is not None]
    spoilt.sort(key=lambda one: one.reference)
    kept = (*quiet[:wanted], *spoilt[: max(0, wanted - len(quiet))])
    return Choice(kept, tuple(reason for reason in why if reason is not None), len(quiet) >= wanted)


def _reason(one: Round, usual: float, highest_clock: float | None) -> str | None:
    load = one.window.verdict()
    if load is not None:
        return load
    if one.reading.throttled:
        return f"throttled: {', '.join(one.reading.throttled)}"
    if one.reading.strangers:
        return f"{one.reading.strangers} other processes on the GPU"
    if highest_clock is not None and one.reading.clock_mhz is not None:
        fraction = one.reading.clock_mhz / highest_clock
        if fraction < SLOW_CLOCK:
            return f"clock at {100 * fraction:.0f} % of the highest seen"
    if one.reference > SLOW_REFERENCE * usual:
        return f"the reference took {one.reference / usual:.2f} times its usual time"
    return None
