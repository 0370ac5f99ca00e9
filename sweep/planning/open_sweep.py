"""A stored sweep opened for work: its row, its recipe and images, and the trials this process is to bring to an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from shlex import quote

from results_db.records import Counts, Source, SweepRow, TrialRow
from results_db.states import State
from results_db.store import Store
from search_space.errors import SweepError
from search_space.facts import TrialKey
from sweep.planning import test_set_names, user_families
from sweep.planning.data import Data, recall_data
from sweep.planning.settings import SweepSettings, usual_speed_protocol
from sweep.planning.training_inputs import TrainingInputs, refusal
from workers.data.image_set import ImageSet
from workers.quality.protocol import PROTOCOL
from workers.training.recipe import Recipe

WITHOUT_RESULT = (State.PENDING, State.RUNNING, State.FAILED)


@dataclass(frozen=True)
class OpenSweep:
    """One sweep of a store with what its trials are trained and measured with. Methods raise StoreError."""

    store: Store
    row: SweepRow
    recipe: Recipe
    data: Data
    only: frozenset[int] | None = None
    """Ids of the trials to work on; None for all of the sweep."""
    _trainable: dict[tuple[str, str, str, str], bool] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """By a key without its seed: comparing many takes a moment."""

    @classmethod
    def of(cls, store: Store, sweep: int | str, data: Data, only: Iterable[int] | None = None) -> OpenSweep:
        """The stored sweep of that id or name with images at hand."""
        row = store.sweep(sweep)
        return cls(store, row, Recipe.from_json(row.recipe_json), data, None if only is None else frozenset(only))

    @classmethod
    def recall(cls, store: Store, name: str | None = None, root: str | None = None) -> OpenSweep:
        """A stored sweep (the newest without a name) with all it came with: user families and images.

        ``root`` is where the images are now. Raises SweepError when none of the missing trials can be trained with
        what is here, BadData when the images cannot be read.
        """
        row = find_row(store, name)
        settings = SweepSettings.from_dict(row.settings)
        user_families.recall(settings)
        sweep = cls.of(store, row.id, recall_data(settings.data, root))
        missing = [group.key for group in store.groups(row.id, WITHOUT_RESULT)]
        reason = refusal(sweep.basis, missing, row.name, store.url)
        if reason:
            raise SweepError(reason)
        test_set_names.check_names(store, sweep.data.tests)
        test_set_names.remember_tests(store, row.id, sweep.data)
        return replace(sweep, row=store.sweep(row.id))

    @property
    def id(self) -> int:
        """The id of the sweep."""
        return self.row.id

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.row.name

    @cached_property
    def settings(self) -> SweepSettings:
        """The settings stored with the sweep."""
        return SweepSettings.from_dict(self.row.settings)

    @cached_property
    def basis(self) -> TrainingInputs:
        """What trials are trained with here; trials planned with anything else are not touched."""
        return self.data.basis(self.recipe)

    @property
    def speed_protocol(self) -> str:
        """Name of the protocol its speed is measured with."""
        return self.settings.speed_protocol or usual_speed_protocol(self.recipe)

    def narrowed(self, keys: Iterable[TrialKey]) -> OpenSweep:
        """The same sweep with only the trials of ``keys`` to work on."""
        return replace(self, only=frozenset(self.store.trial_ids(keys).values()))

    def includes(self, trial: int) -> bool:
        """Whether a trial is one to work on."""
        return self.only is None or trial in self.only

    def trials(self, states: Sequence[State] | None = None) -> list[TrialRow]:
        """The trials to work on, of these states if given."""
        return [row for row in self.store.trials(self.id, states) if self.includes(row.id)]

    def missing(self) -> list[TrialRow]:
        """The trials to work on that have no result and can be trained with what is here."""
        return self.trials_to_do(WITHOUT_RESULT)

    def trials_to_do(self, states: Sequence[State]) -> list[TrialRow]:
        """Those of ``missing`` that are in one of ``states``."""
        return self.workable(self.store.trials(self.id, states))

    def workable(self, rows: Iterable[TrialRow]) -> list[TrialRow]:
        """Those of ``rows`` that are to be worked on and can be trained with what is here."""
        return [row for row in rows if self.includes(row.id) and self._can_train(row.key)]

    def _can_train(self, key: TrialKey) -> bool:
        inputs = key.config, key.recipe, key.data, key.code
        if inputs not in self._trainable:
            self._trainable[inputs] = not self.basis.mismatch(key)
        return self._trainable[inputs]

    def to_do(self, states: Sequence[State] = WITHOUT_RESULT) -> Counter[str]:
        """How many trials of ``missing`` each config has; without reading each of them where all of the sweep are to be
        worked on."""
        if self.only is not None:
            return Counter(row.key.config for row in self.trials_to_do(states))
        out: Counter[str] = Counter()
        for group in self.store.groups(self.id, states):
            if self._can_train(group.key):
                out[group.key.config] += group.count
        return out

    def unmeasured(self, images: ImageSet) -> list[int]:
        """Ids of the finished trials to work on that have no PSNR on a test set."""
        ids = self.store.unmeasured(self.id, images.name, "psnr", PROTOCOL)
        return [trial for trial in ids if self.includes(trial)]

    def counts(self) -> Counts:
        """How many of the trials to work on are in each state."""
        if self.only is None:
            return self.store.counts(self.id)
        by_state = Counter(row.state for row in self.trials())
        return Counts(sum(by_state.values()), *(by_state[state] for state in State))

    def others_missing(self, counts: Counts) -> int:
        """How many trials of the sweep have no result and are not among those to work on, whose ``counts`` are."""
        whole = self.store.counts(self.id)
        return (whole.planned - whole.done) - (counts.planned - counts.done)


def find_row(store: Store, name: str | None = None) -> SweepRow:
    """The sweep of that name or number; without one the newest of ours that is not archived. Raises SweepError when
    there is none."""
    if name:
        return store.sweep(name)
    ours = [row for row in store.sweeps() if row.source is Source.OURS and not row.archived]
    if not ours:
        raise SweepError(
            f"this database holds no sweep of ours yet; start one with `sweep run --space demo --db {quote(store.url)}`"
        )
    return ours[-1]
