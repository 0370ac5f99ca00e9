"""Which models of a store can be exported from it: those whose trained weights it holds."""

from __future__ import annotations

import shlex
from collections.abc import Set
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from results_db.schema import artifact, trial
from results_db.states import State
from results_db.tables.trials import of_sweep, sweep_id

if TYPE_CHECKING:
    from results_db.store import Store

WITHOUT_WEIGHTS = frozenset({"Bicubic"})
"""Families that need no training."""


def with_weights(store: Store, sweep: int | str | None = None) -> frozenset[str]:
    """Ids of the configs (of one sweep) with a finished trial whose weights are stored. Raises StoreError."""

    def work(connection: Connection) -> frozenset[str]:
        query: Any = select(trial.c.config).join(artifact, artifact.c.trial_id == trial.c.id).distinct()
        query = query.where(trial.c.state == str(State.DONE), artifact.c.kind == "weights")
        number = None if sweep is None else sweep_id(connection, sweep)
        return frozenset(connection.execute(of_sweep(query, number)).scalars())

    return store.database.read(work)


def command(config: str, trained: Set[str], url: str, sweep: str | None = None) -> str:
    """The command that exports a model: as it is where ``trained`` has it, else with a weights file to be named.

    >>> command("ESPCN_s2_D4_S12", {"ESPCN_s2_D4_S12"}, "sqlite:///s.db")
    'sweep export ESPCN_s2_D4_S12 --db sqlite:///s.db --format onnx --out ESPCN_s2_D4_S12.onnx'
    """
    words = ["sweep", "export", config]
    if config.split("_")[0] in WITHOUT_WEIGHTS:
        pass
    elif config in trained:
        words += ["--db", url, *(["--sweep", sweep] if sweep else [])]
    else:
        words += ["--weights", "FILE"]
    return shlex.join([*words, "--format", "onnx", "--out", f"{config}.onnx"])
