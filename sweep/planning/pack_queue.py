"""Packs that wait, and which of them a worker gets when some workers are much faster than others. Pure.

A fast worker takes the costliest pack. A slow one takes the cheapest, or the cheapest members of a large one, and none
where the fast ones would be through with all that waits before it is; what it still trains at the end goes on, from its
state, on a fast one that is free.
"""

from __future__ import annotations

import math
import statistics
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from search_space import parse_id
from sweep.planning.packs import Pack, order
from sweep.planning.training_progress import step_cost

BITE = 16
"""Members of a pack for a slow worker: packs of GPUs have hundreds."""
NEWEST = 200
"""Packs whose pace is remembered, of each device."""
HAND_OVER_S = 20.0
"""What it may cost to stop a pack and to begin with it elsewhere."""


@dataclass
class PackSpeeds:
    """Seconds per cost of the packs that ended last, by the device they ran on."""

    _seen: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=NEWEST)))
    _slowest: float | None = None

    def see(self, device: str, seconds: float, cost: float) -> None:
        """A pack of that cost ended; packs without a cost say nothing."""
        if cost > 0:
            self._seen[device].append(seconds / cost)
            self._slowest = max(self._slowest or 0.0, seconds / cost)

    def seconds(self, device: str, cost: float) -> float | None:
        """What a pack may take there; None before one has ended there."""
        seen = self._seen.get(device)
        return statistics.median(seen) * cost if seen else None

    def longest(self, cost: float) -> float | None:
        """What a pack takes at the slowest pace so far."""
        return None if self._slowest is None else self._slowest * cost


@dataclass
class PackQueue:
    """The packs that wait, costliest first, exclusive ones last."""

    speeds: PackSpeeds = field(default_factory=PackSpeeds)
    trials: int = 0
    """Members of all packs that wait."""
    _packs: list[Pack] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._packs)

    def __iter__(self) -> Iterator[Pack]:
        return iter(self._packs)

    def add(self, packs: Iterable[Pack]) -> None:
        """Put more packs in their places."""
        for pack in packs:
            self.trials += len(pack.items)
            insort(self._packs, pack, key=order)

    def clear(self) -> None:
        """Forget all packs."""
        self._packs.clear()
        self.trials = 0

    @property
    def only_exclusive(self) -> bool:
        """Whether each pack that waits must run alone."""
        return bool(self._packs) and self._packs[0].exclusive

    def take(self, device: str = "cpu", devices: Mapping[str, int] | None = None) -> Pack | None:
        """The pack for a worker on ``device``; None leaves what waits to faster workers.

        ``devices`` counts the workers by device, where they may differ.
        """
        faster = _faster(device, devices or {})
        if not faster or self.only_exclusive:
            return self._remove(0)
        place = max(place for place, pack in enumerate(self._packs) if not pack.exclusive)
        bite, rest = bitten(self._packs[place])
        here = self.speeds.seconds(device, bite.cost)
        share = sum(pack.cost for pack in self._packs) / sum(faster.values())
        there = max((self.speeds.seconds(kind, share) or math.inf for kind in faster), default=math.inf)
        if here is not None and here > there:
            return None
        self._remove(place)
        self.add([rest] if rest else [])
        return bite

    def take_trials(self, most: int) -> list[Pack]:
        """The next packs, with about ``most`` members together."""
        taken: list[Pack] = []
        while self._packs and sum(len(pack.items) for pack in taken) < most:
            taken.append(self._remove(0))
        return taken

    def _remove(self, place: int) -> Pack:
        pack = self._packs.pop(place)
        self.trials -= len(pack.items)
        return pack

    def better_moved(self, pack: Pack, device: str, seconds: float, done: float, to: str) -> bool:
        """Whether a pack that has trained for ``seconds`` on ``device``, and done that share of its steps, would end
        sooner if it went on on a free worker on ``to``.

        >>> queue, pack = PackQueue(), Pack((), 1.0)
        >>> queue.better_moved(pack, "cpu", 300.0, 0.5, "cuda"), queue.better_moved(pack, "cpu", 9.0, 0.5, "cuda")
        (True, False)
        """
        if to not in _faster(device, {to: 1}):
            return False
        left = seconds * (1 - done) / done if done else self.speeds.seconds(device, pack.cost) or seconds
        there = self.speeds.seconds(to, pack.cost * (1 - done)) or 0.0
        return left > there + HAND_OVER_S


def with_only(pack: Pack, trials: Collection[int]) -> Pack | None:
    """The pack without members that are not among ``trials``; None when none is left."""
    items = tuple(item for item in pack.items if item.trial in trials)
    return replace(pack, items=items, cost=pack.cost * len(items) / len(pack.items)) if items else None


def bitten(pack: Pack) -> tuple[Pack, Pack | None]:
    """The last ``BITE`` members of a pack, which are its cheapest, and the others, if there are more."""
    if len(pack.items) <= BITE:
        return pack, None
    items = pack.items[-BITE:]
    cost = sum(step_cost(parse_id(item.key.config)) * item.left for item in items)
    return Pack(items, cost), Pack(pack.items[:-BITE], pack.cost - cost)


def _faster(device: str, devices: Mapping[str, int]) -> dict[str, int]:
    """The workers on GPUs, as a CPU sees them; none for a GPU."""
    return {kind: count for kind, count in devices.items() if count and kind != "cpu"} if device == "cpu" else {}
