"""How far the training of some trials is: steps for people, multiply-adds for the time that is left. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from search_space.config import Config
from search_space.costs.describe import describe
from search_space.errors import BadConfig


def step_cost(config: Config) -> float:
    """What a training step of a config costs: its multiply-adds per low-resolution pixel, but for a constant; nothing
    where the config's own code cannot run."""
    try:
        return float(describe(config).macs_full_hd * config.scale**2)
    except BadConfig:
        return 0.0


@dataclass(frozen=True)
class TrainingProgress:
    """Training steps of all trials, and the same weighted with what a step of each costs."""

    steps: int = 0
    steps_planned: int = 0
    work: float = 0.0
    """Steps times what one costs (``step_cost``); only ratios matter."""
    work_planned: float = 0.0

    @property
    def share(self) -> float:
        """Of the work that is done, 0 to 1.

        >>> TrainingProgress(10, 20, 1.0, 4.0).share
        0.25
        """
        return self.work / self.work_planned if self.work_planned else 1.0

    def left_s(self, work_per_s: float) -> float | None:
        """Seconds until all is trained at that rate; None without one.

        >>> TrainingProgress(10, 20, 1.0, 4.0).left_s(0.5)
        6.0
        """
        if self.work >= self.work_planned:
            return 0.0
        return (self.work_planned - self.work) / work_per_s if work_per_s > 0 else None


@dataclass
class TrainingLedger:
    """The steps of each trial as they are taken; sums are kept, so that an update costs the same however many there
    are, and only trials that are queued or run are remembered one by one."""

    _expected: Counter[tuple[int, float]] = field(default_factory=Counter)
    """How many trials of so many steps at that cost are in the sums without having been added one by one."""
    _planned: dict[int, tuple[int, float]] = field(default_factory=dict)
    _steps: dict[int, int] = field(default_factory=dict)
    _sums: list[float] = field(default_factory=lambda: [0, 0, 0.0, 0.0])

    def expect(self, count: int, planned: int, cost: float) -> None:
        """So many trials of ``planned`` steps that cost ``cost`` each will be added."""
        self._expected[planned, cost] += count
        self._sums[1] += count * planned
        self._sums[3] += count * planned * cost

    def add(self, trial: int, planned: int, cost: float, steps: int = 0) -> None:
        """A trial of ``planned`` steps that cost ``cost`` each and of which ``steps`` are done; once per trial."""
        if trial not in self._planned:
            self._planned[trial] = planned, cost
            if self._expected[planned, cost] > 0:
                self._expected[planned, cost] -= 1
            else:
                self._sums[1] += planned
                self._sums[3] += planned * cost
        self.put(trial, steps)

    def put(self, trial: int, steps: int) -> None:
        """So many of its steps are done now (fewer than before after a failure); nothing for a trial that is done."""
        if trial not in self._planned:
            return
        planned, cost = self._planned[trial]
        more = min(steps, planned) - self._steps.get(trial, 0)
        self._steps[trial] = min(steps, planned)
        self._sums[0] += more
        self._sums[2] += more * cost

    def put_all(self, trials: Iterable[int], steps: int) -> None:
        """The same number of steps for the members of a pack, which are never behind the state they began from."""
        for trial in trials:
            self.put(trial, max(steps, self._steps.get(trial, 0)))

    def share(self, trials: Iterable[int], begun: int, steps: int) -> float:
        """What share of the steps of a pack, of those from ``begun`` on, are done at ``steps``: 0 to 1."""
        planned = max(self._planned[trial][0] for trial in trials)
        return min(1.0, max(0, steps - begun) / (planned - begun)) if planned > begun else 1.0

    def done(self, trial: int) -> None:
        """All steps of a trial, which is forgotten."""
        if trial in self._planned:
            self.put(trial, self._planned[trial][0])
            del self._planned[trial], self._steps[trial]

    @property
    def progress(self) -> TrainingProgress:
        """Of all trials together."""
        steps, planned, work, work_planned = self._sums
        return TrainingProgress(int(steps), int(planned), work, work_planned)


@dataclass
class Rate:
    """Work per second over the last minutes: seconds without training at the start do not count for ever."""

    window_s: float = 120.0
    _seen: list[tuple[float, float]] = field(default_factory=list)

    def see(self, at_s: float, work: float) -> float:
        """The rate at ``at_s`` with ``work`` done by then; 0 while there is none.

        >>> rate = Rate()
        >>> rate.see(0.0, 100.0), rate.see(10.0, 120.0)
        (0.0, 2.0)
        """
        self._seen.append((at_s, work))
        while len(self._seen) > 2 and at_s - self._seen[1][0] > self.window_s:
            self._seen.pop(0)
        (began, before), (now, after) = self._seen[0], self._seen[-1]
        return max(0.0, after - before) / (now - began) if now > began else 0.0
