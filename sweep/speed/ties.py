"""Marking which stored speeds of one kind cannot be told apart, among those of all calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from search_space.facts import Speed

if TYPE_CHECKING:
    from results_db.store import Store


def mark_ties(store: Store, measured: Iterable[Speed]) -> list[Speed]:
    """The speeds ``measured``, stored before, as they are in the store after their ties were marked.

    For each (device, backend, precision, protocol) among them, all stored speeds of ours are compared, those of
    earlier calls too: ``detail["tied_with"]`` of each names the configs whose 95 % interval overlaps its own.
    """
    from workers.benchmark import with_ties

    speeds = list(measured)
    marked: dict[tuple[str, ...], Speed] = {}
    for kind in dict.fromkeys(_kind(speed) for speed in speeds):
        for speed in store.mark_speeds(*kind, with_ties):
            marked[(*kind, speed.config)] = speed
    keys = [(*_kind(speed), speed.config) for speed in speeds]
    return [marked[key] for key in keys if key in marked]


def _kind(speed: Speed) -> tuple[str, str, str, str]:
    return speed.device, speed.backend, speed.precision, speed.protocol
