"""A search that starts with results from elsewhere: a zoo, or another results database, is taken into its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.errors import SweepError
from sweep.zoo.document import MANIFEST, Zoo
from sweep.zoo.load import keep, local, read

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.facts import TrialKey


def take(store: Store, source: str, comparable: Callable[[Iterable[TrialKey]], int]) -> int:
    """Keep the results of ``source`` in the store, where the search finds them; returns how many it can use.

    ``source``: a zoo's folder or web address, or a results database. ``comparable`` counts the keys that the search
    would train itself. Raises SweepError when it is none of them: quality by another recipe or other images cannot be
    compared, so nothing is kept then.
    """
    zoos = _zoos(source)
    keys = [key for zoo in zoos for key, _ in zoo.trials]
    usable = comparable(keys)
    if not usable:
        names = ", ".join(repr(zoo.sweep.name) for zoo in zoos)
        raise SweepError(
            f"{source}: none of its {len(keys)} results (sweep {names}) has a config, the recipe, training images, "
            "seed and code of this search, so they cannot be compared; give it that sweep's --recipe and --train"
        )
    for zoo in zoos:
        keep(store, zoo)
    return usable


def _zoos(source: str) -> list[Zoo]:
    if source.startswith(("http://", "https://")) or (Path(source) / MANIFEST).is_file():
        with local(source) as folder:
            return [read(folder)]
    if Path(source).is_dir():
        raise SweepError(f"{source} is neither a zoo (it has no {MANIFEST}) nor a results database")
    from results_db.store import Store
    from sweep.zoo.export import gather

    with Store.open(source, readonly=True, make=False) as other:
        names = [row.name for row in other.sweeps() if other.counts(row.id).done]
        if not names:
            raise SweepError(f"{source} has no finished trial")
        return [gather(other, name) for name in names]
