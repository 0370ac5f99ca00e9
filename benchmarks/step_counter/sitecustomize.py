"""Counts the training steps of every pack in a Python process that has this folder on its path.

Python imports a module of this name when it starts. It waits for ``workers.task`` to be imported and puts a counter
around ``run_pack``: per pack one JSON file with its members and one array that holds, at place n, the time of step n.
The array is a mapped file: what was written survives a kill -9 of the process. ``benchmarks/_step_counts.py`` reads it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = os.environ.get("EDGE_SWEEP_STEP_COUNTS", "")
MODULE = "workers.task"


def counted(run_pack: Callable[..., Any]) -> Callable[..., Any]:
    """``run_pack`` that notes when each step was done."""

    def run(task: Any, train: Any, tests: Any, progress: Any = None, checkpointing: Any = None) -> Any:
        import numpy as np

        name = Path(FOLDER) / f"{time.time_ns()}-{os.getpid()}"
        steps = json.loads(task.recipe_json)["steps"]
        times = np.memmap(name.with_suffix(".times"), np.float64, "w+", shape=(steps + 1,))
        members = [[member.trial, member.attempt] for member in task.members]
        name.with_suffix(".tmp").write_text(json.dumps({"pid": os.getpid(), "members": members}))
        name.with_suffix(".tmp").rename(name.with_suffix(".json"))

        def count(step: int) -> None:
            if not times[step]:
                times[step] = time.time()
            if progress is not None:
                progress(step)

        return run_pack(task, train, tests, count, checkpointing)

    return run


class Counter(importlib.abc.MetaPathFinder):
    """Finds ``workers.task`` as everybody would, and changes it once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                module.run_pack = counted(module.run_pack)  # type: ignore[attr-defined]

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if FOLDER:
    sys.meta_path.insert(0, Counter())
