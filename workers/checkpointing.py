"""When a pack in training hands out its state, and how it is stopped: shared by the thread that trains and the one
that answers for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from search_space.facts import Checkpoint

CHECKPOINT_EVERY_S = 60.0
"""Seconds between two states of a pack, unless asked otherwise."""
TRAINED_S = 2.0
"""The end of a training is handed out before it is measured when the last state is older: all the way of the states of
48 members takes about a hundredth of that."""


class TrainingStopped(Exception):
    """Training ended between two steps because it was asked to; its state was handed out before."""

    def __init__(self) -> None:
        super().__init__("the training was stopped")
        self.failed: dict[int, Exception] = {}
        """What became of members that had ended by then, by their place in the pack."""


@dataclass
class Checkpointing:
    """The newest states of one pack. ``put`` and ``due`` are called by the thread that trains."""

    every_s: float = CHECKPOINT_EVERY_S
    """0 hands out a state only when the training is stopped."""
    listener: Callable[[list[Checkpoint]], None] | None = None
    """Called in the training thread with new states, which are then not kept for ``take``."""
    stop_requested: Callable[[], bool] = lambda: False
    """Asked between steps, beside ``stop``."""
    _newest: dict[int, Checkpoint] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _last: float = field(default_factory=time.monotonic)

    def stop(self) -> None:
        """End the training after the step that runs; ``put`` gets its state first."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether the training is to end."""
        return self._stop.is_set() or self.stop_requested()

    def due(self) -> bool:
        """Whether a state should be saved now: ``every_s`` has passed, or the training is to end."""
        return self.stopping or (self.every_s > 0 and time.monotonic() - self._last >= self.every_s)

    def worth_keeping(self) -> bool:
        """Whether the end of a training should be saved before it is measured, which may take minutes."""
        return self.every_s > 0 and time.monotonic() - self._last >= TRAINED_S

    def put(self, states: Iterable[Checkpoint]) -> None:
        """Hand out states. Raises TrainingStopped when the training is to end."""
        states = list(states)
        if self.listener is not None:
            self.listener(states)
        else:
            with self._lock:
                self._newest |= {state.trial: state for state in states}
        self._last = time.monotonic()
        if self.stopping:
            raise TrainingStopped

    def take(self) -> list[Checkpoint]:
        """The newest states since the last call, one per trial."""
        with self._lock:
            states = list(self._newest.values())
            self._newest = {}
        return states
