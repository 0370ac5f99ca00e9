"""Choose the model to ship: the function behind ``sweep best``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.measures.best_in_budget import BudgetChoice, choose, fact
from analysis.reading.measured_how import notices
from analysis.reading.results import gather
from analysis.reading.selection import Selection
from results_db.reading import exportable
from results_db.store import opened
from sweep.api.arguments import DEFAULT_DB, many
from sweep.api.reading import only_device, sweep_name

if TYPE_CHECKING:
    from results_db.store import Store
    from search_space.metrics import Quantity


@dataclass(frozen=True)
class Best:
    """The model to ship within a budget, and what it was chosen from."""

    choice: BudgetChoice
    metric: Quantity
    device: str
    source: str
    tied_with: list[str] | None
    """Models whose speed cannot be told from the pick's; None where that is not known."""
    export: str | None
    """The command that exports the pick."""
    other_sources: Mapping[str, int]
    """How many models of each other source the database holds."""
    notes: tuple[str, ...]
    """What to know before trusting it: sources that are not shown, speeds that are disturbed."""

    @property
    def pick(self) -> str | None:
        """The id of the model with the best quality; None when none fits."""
        return None if self.choice.pick is None else str(self.choice.pick["config"])

    @property
    def frontier(self) -> list[dict[str, Any]]:
        """The models that fit and that no other that fits beats, fastest first: ``config``, ``fps``, ``psnr``, ...

        Units: frames/s, dB (psnr), W (``power_w``), J per frame (``energy_j``), MiB (``memory_mib``). ``sure`` is the
        share of frontiers, with the quality drawn anew within the error that several seeds show, that the model is
        on; None where no config has several seeds.
        """
        sure = self.choice.sure or (None,) * len(self.choice.frontier)
        return [{**fact(row, self.metric), "sure": s} for row, s in zip(self.choice.frontier, sure, strict=True)]


def best(
    db: str | Path | Store = DEFAULT_DB,
    *,
    scale: int,
    device: str | None = None,
    metric: str | None = None,
    min_fps: float | None = None,
    max_watts: float | None = None,
    family: str | Sequence[str] = (),
    backend: str | None = None,
    precision: str | None = None,
    speed_protocol: str | None = None,
    source: str | None = None,
    sweep: int | str | None = None,
    undisturbed_only: bool = False,
) -> Best:
    """The model to ship: of all that fit the budget, the one with the best quality.

    Args:
        db: Address or path of the results database, or an open ``Store``.
        scale: 2, 3 or 4.
        device: Whose speed; may be left out where only one was measured.
        metric: Such as ``psnr:Set14``; default the most complete, PSNR first.
        min_fps: At least this many frames/s.
        max_watts: At most this many W; models of unknown power are left out then.
        family: Only these families.
        backend: Only speeds of this backend.
        precision: Only speeds of this precision.
        speed_protocol: Such as ``fullhd14``; default that of most models.
        source: ``ours``, ``re-evaluated`` or ``published``; default the first of these that has results.
        sweep: One sweep, by name or number; default all of the source.
        undisturbed_only: Leave out speeds that were measured while the machine was busy.

    Returns:
        A ``Best``: ``pick`` (an id, or None when nothing fits), ``frontier``, ``tied_with``, ``choice``.

    Raises:
        StoreError: The database cannot be read, or holds no such sweep.
        SweepError: There are no such results, or several devices and none is named.

    Example:
        >>> import sweep
        >>> found = sweep.best("sweep.db", scale=2, min_fps=0.001)
        >>> found.pick in [row["config"] for row in found.frontier]
        True
        >>> sweep.best("sweep.db", scale=2, min_fps=1e9).pick is None
        True
    """
    selection = Selection(
        sweep=sweep_name(sweep),
        source=source,
        device=device,
        backend=backend,
        precision=precision,
        scales=(scale,),
        families=many(family),
        speed_protocol=speed_protocol,
        metric=metric,
        undisturbed_only=undisturbed_only,
    )
    with opened(db, readonly=True) as store:
        gathered = gather(store, selection)
        quality = gathered.metric(metric)
        chosen = device or only_device(gathered)
        table = gathered.table[gathered.table["device"] == chosen]
        choice = choose(table, quality, min_fps, max_watts, gathered.spread.get((scale, quality.column)))
        tied = _tied(store, choice.pick, set(table["config"]))
        notes = tuple(notices(replace(gathered, table=table), store.url))
        export = None if choice.pick is None else _export(store, str(choice.pick["config"]), sweep_name(sweep))
    return Best(choice, quality, chosen, gathered.source, tied, export, gathered.others, notes)


def _export(store: Store, pick: str, sweep: str | None) -> str:
    return exportable.command(pick, exportable.with_weights(store, sweep), store.url, sweep)


def _tied(store: Store, pick: Mapping[str, Any] | None, others: set[str]) -> list[str] | None:
    """Which of the ``others`` cannot be told from the pick by their speed; None where that is not known."""
    if pick is None:
        return None
    kind = [pick[name] for name in ("config", "device", "backend", "precision", "speed_protocol")]
    if not all(isinstance(value, str) for value in kind) or pick["speed_source"] != "ours":
        return None
    ties = [speed.detail.get("tied_with") for speed in store.speeds(*kind)]
    return None if not ties or ties[0] is None else [config for config in ties[0] if config in others]
