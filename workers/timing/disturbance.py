"""Which visits to a network count, judged by the conditions of each. Python's own library only, as boards run it too.

The conditions are the reference's times before and after, the CPU use of other processes and the sensor readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from workers.sensors import Reading

OTHERS_LIMIT = 0.04
"""Share of the machine's CPU time that other processes may take before a visit counts as disturbed."""
OTHERS_SLACK_S = 0.05
"""CPU seconds of other processes that never count as a disturbance: the kernel counts in steps of 10 ms."""
SLOW_REFERENCE = 1.20
"""A visit counts as disturbed when the reference beside it took this many times its usual time."""
SLOW_CLOCK = 0.90
"""Fraction of the highest clock seen below which a visit was throttled."""


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
class Visit:
    """One visit to a network, and its conditions."""

    seconds: tuple[float, ...]
    """Of each frame."""
    references: tuple[float, ...]
    """Seconds of the reference's frame, by each look at it before and after."""
    window: Window
    reading: Reading

    @property
    def reference(self) -> float:
        """Seconds of the reference beside this visit."""
        return median(self.references)

    @property
    def relative(self) -> float:
        """Time over the reference's."""
        return median(self.seconds) / self.reference


@dataclass(frozen=True)
class VisitChoice:
    """The visits that a measurement is made of, and why the others are not used."""

    kept: tuple[Visit, ...] = ()
    disturbed: tuple[str, ...] = ()
    """The reason of each disturbed visit."""
    enough: bool = False
    """False when disturbed visits had to be used to reach the number asked for."""


def usual_reference(references: Sequence[float]) -> float:
    """The median of the quickest third of the reference's times."""
    return median(sorted(references)[: max(1, -(-len(references) // 3))])


def is_slow(reference: float, usual: float | None) -> bool:
    """Whether a look at the reference shows that the machine is slowed down.

    >>> is_slow(1.3, usual=1.0), is_slow(1.05, usual=1.0), is_slow(9.0, usual=None)
    (True, False, False)
    """
    return usual is not None and reference > SLOW_REFERENCE * usual


def reasons(visits: Sequence[Visit], known: float | None = None) -> list[str | None]:
    """Why each visit is disturbed, or None; judged together, because slow means slower than the others.

    ``known``: the reference's usual time in earlier measurements, in seconds; a slow spell that covers all these visits
    shows by it alone.
    """
    if not visits:
        return []
    usual = usual_reference([one.reference for one in visits])
    usual = usual if known is None else min(usual, known)
    clocks = [one.reading.clock_mhz for one in visits if one.reading.clock_mhz is not None]
    highest = max(clocks, default=None)
    return [_reason(one, usual, highest) for one in visits]


def choose(visits: Sequence[Visit], wanted: int, known: float | None = None) -> VisitChoice:
    """The first ``wanted`` undisturbed visits; when there are fewer, the least disturbed ones are added."""
    why = reasons(visits, known)
    quiet = [one for one, reason in zip(visits, why, strict=True) if reason is None]
    disturbed = [one for one, reason in zip(visits, why, strict=True) if reason is not None]
    disturbed.sort(key=lambda one: one.reference)
    kept = (*quiet[:wanted], *disturbed[: max(0, wanted - len(quiet))])
    return VisitChoice(kept, tuple(reason for reason in why if reason is not None), len(quiet) >= wanted)


def _reason(one: Visit, usual: float, highest_clock: float | None) -> str | None:
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
    slowest = max(one.references)
    if is_slow(slowest, usual):
        return f"the reference took {slowest / usual:.2f} times its usual time"
    return None
