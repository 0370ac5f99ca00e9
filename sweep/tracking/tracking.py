"""From what happens to a sweep to what its trackers are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from shlex import quote

from results_db.reading.trial_facts import trial_facts
from results_db.records import Counts, SweepRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import SweepError, first_line
from search_space.ids import split_id
from sweep.tracking import by_name
from sweep.tracking.follower import Follower
from sweep.tracking.tracker import Ending, SweepEnd, TrackedSweep, TrackedTrial, Tracker

END_WAIT_S = 60.0
"""How long the end of a sweep waits for trackers that are still at work."""
STOPPED_WAIT_S = 2.0
"""The same after Ctrl-C."""
ENDED = (State.DONE, State.FAILED)


class Tracking:
    """Tells the trackers that ``asked`` names (``NAME`` or ``NAME=WHERE``) of one run of a sweep.

    ``warn`` gets one line for a tracker that does not work. Nothing here waits for a tracker but ``finish``.
    """

    def __init__(self, store: Store, row: SweepRow, asked: Sequence[str], warn: Callable[[str], None]) -> None:
        self._store, self._row = store, row
        track = f"`sweep track TRACKER --name {quote(row.name)} --db {quote(store.url)}`"
        again = f"; the sweep goes on, and {track} tells all of it afterwards"
        self._followers = [
            Follower(by_name.split(each)[0], partial(by_name.make, each), lambda text: warn(text + again))
            for each in asked
        ]
        self._send(lambda tracker: tracker.start(tracked_sweep(store, row)))

    def put(self, trial: int) -> None:
        """A trial ended or has new measurements."""
        self._send(partial(put_stored, self._store, trial))

    def put_configs(self, configs: Iterable[str]) -> None:
        """Architectures have new speeds."""
        wanted = frozenset(configs)
        if wanted and self._followers:
            for row in self._store.trials(self._row.id, (State.DONE,)):
                if row.key.config in wanted:
                    self.put(row.id)

    def finish(
        self, counts: Counts | None, resume: str, seconds: float, interrupted: bool = False, error: str = ""
    ) -> None:
        """The run is over. Waits a bounded time until the trackers know; a stopped sweep hardly waits."""
        end = sweep_end(self._row.name, counts, resume, seconds, interrupted, error)
        wait = STOPPED_WAIT_S if interrupted else END_WAIT_S
        for follower in self._followers:
            follower.close(lambda tracker: tracker.end(end), wait)

    def _send(self, work: Callable[[Tracker], None]) -> None:
        for follower in self._followers:
            follower.send(work)


def track_stored(store: Store, row: SweepRow, asked: str, resume: str) -> int:
    """Tell one tracker all of a stored sweep, here and now; returns the number of trials.

    Raises SweepError with what the tracker raises.
    """
    try:
        return _track_stored(store, row, asked, resume)
    except SweepError:
        raise
    except Exception as error:
        raise SweepError(f"tracker {by_name.split(asked)[0]}: {first_line(error)}") from error


def _track_stored(store: Store, row: SweepRow, asked: str, resume: str) -> int:
    tracker = by_name.make(asked)
    tracker.start(tracked_sweep(store, row))
    ended = store.trials(row.id, ENDED)
    for trial in ended:
        put_stored(store, trial.id, tracker)
    tracker.end(sweep_end(row.name, store.counts(row.id), resume, 0.0))
    return len(ended)


def put_stored(store: Store, trial: int, tracker: Tracker) -> None:
    """Put a trial as it is stored now; one that is tried again is told when that attempt ends."""
    facts = trial_facts(store, trial)
    if facts.state in ENDED:
        # A family of a user's own file need not be known to be told of.
        parts = split_id(facts.config)
        tracker.put(TrackedTrial(facts, parts.family, parts.scale, parts.values))


def tracked_sweep(store: Store, row: SweepRow) -> TrackedSweep:
    """What a tracker is told of a stored sweep."""
    return TrackedSweep(
        row.name, row.space, json.loads(row.recipe_json), row.git, store.counts(row.id).planned, store.url
    )


def sweep_end(
    name: str, counts: Counts | None, resume: str, seconds: float, interrupted: bool = False, error: str = ""
) -> SweepEnd:
    """How the run ended; ``counts`` are None when the store cannot say."""
    planned, done, failed = (counts.planned, counts.done, counts.failed) if counts else (0, 0, 0)
    if error:
        ending = Ending.BROKEN
    elif interrupted or done + failed < planned:
        ending = Ending.STOPPED
    else:
        ending = Ending.FAILED if failed else Ending.DONE
    return SweepEnd(name, ending, planned, done, failed, round(seconds, 1), resume, error)


def check(asked: Sequence[str]) -> None:
    """Raises SweepError for a tracker that there is not or that is asked for twice; MissingExtra."""
    for each in asked:
        by_name.check(each)
    names = [by_name.split(each)[0] for each in asked]
    for name in names:
        if names.count(name) > 1 and name not in ("webhook", "command"):
            raise SweepError(f"--track {name} is given twice")
