"""Trained models for charts of filters or images: weights from the store, or from files named after an id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search_space import parse_id
from search_space.errors import BadConfig, BadWeights

if TYPE_CHECKING:
    from torch import nn

    from results_db.store import Store

UNTRAINED = ("Bicubic",)


def load(config: str, source: bytes | Path) -> nn.Module:
    """The network of an id with its weights, in float32 on the CPU. Raises BadWeights."""
    from search_space import weights

    return weights.load(parse_id(config), source, f"the stored weights of {config}")


class Models:
    """Finds a config's network: files first, then the store's finished trials, then networks that need no training."""

    def __init__(self, store: Store | None, files: Sequence[Path] = (), sweep: str | None = None) -> None:
        self.files = {path.stem: path for path in _expanded(files)}
        self.store = store
        self.trials: dict[str, int] = {}
        if store is not None:
            from results_db.records import Source
            from results_db.states import State

            sweeps = store.sweeps() if sweep is None else [store.sweep(sweep)]
            # Published results are finished trials too, but there are no weights of them.
            ours = [row.id for row in sweeps if row.source == Source.OURS]
            self.trials = {row.key.config: row.id for sweep_id in ours for row in store.trials(sweep_id, (State.DONE,))}

    def get(self, config: str) -> nn.Module | None:
        """The network, or None when there are no weights of it. Raises BadWeights or BadConfig."""
        if config in self.files:
            return load(config, self.files[config])
        if self.store is not None and config in self.trials:
            artifact = self.store.artifact(self.trials[config])
            if artifact is not None:
                return load(config, artifact.data)
        parsed = parse_id(config)
        return parsed.build().eval() if parsed.family in UNTRAINED else None

    def require(self, config: str) -> nn.Module:
        """The network; raises BadWeights where there are no weights of it."""
        module = self.get(config)
        if module is None:
            raise BadWeights(f"there are no weights of {config}: train it (sweep run) or give --weights FILE or folder")
        return module

    def of_families(self, families: Iterable[str]) -> list[str]:
        """Configs of these families that have weights, those of files first."""
        names = set(families)
        out = []
        for config in [*self.files, *self.trials]:
            try:
                if parse_id(config).family in names and config not in out:
                    out.append(config)
            except BadConfig:
                continue
        return out


def _expanded(files: Sequence[Path]) -> list[Path]:
    out: list[Path] = []
    for path in files:
        if path.is_dir():
            from search_space.weights import SUFFIXES

            out += sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
        elif path.exists():
            out.append(path)
        else:
            raise BadWeights(f"there is no weights file {path}")
    return out
