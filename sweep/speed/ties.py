"""Which figures of one kind cannot be told apart: known only beside all of them, so found anew after measuring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from search_space.facts import Speed

if TYPE_CHECKING:
    from results_db.store import Store


def retie(store: Store, measured: Iterable[Speed]) -> list[Speed]:
    """The figures ``measured``, stored before, as they are in the store once ties are marked anew.

    For each (device, backend, precision, protocol) among them, all stored figures of ours are compared, those of
    earlier calls too: ``detail["tied_with"]`` of each names the configs whose 95 % interval overlaps its own.
    """
    from workers.benchmark import with_ties

    listed = list(measured)
    found: dict[tuple[str, ...], Speed] = {}
    for kind in dict.fromkeys((one.device, one.backend, one.precision, one.protocol) for one in listed):
        for one in store.mark_speeds(*kind, with_ties):
            found[(*kind, one.config)] = one
    keys = [(one.device, one.backend, one.precision, one.protocol, one.config) for one in listed]
    return [found[key] for key in keys if key in found]
