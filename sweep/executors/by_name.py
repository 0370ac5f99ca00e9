"""An executor by its name, and what its workers are given."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.errors import MissingExtra, SweepError
from search_space.user_code import loaded
from sweep.executors.core import Executor, WorkerData
from sweep.executors.image_transport import Images, transport

if TYPE_CHECKING:
    from sweep.planning.data import Data


EXECUTORS = ("actors", "tune", "inline")
TUNE_NEEDS = ("pyarrow", "tensorboardX")
"""Packages without which Ray Tune cannot be imported; Ray's own extra brings them."""


def check_name(name: str) -> None:
    """Raises SweepError for an executor that there is not, MissingExtra for Ray Tune without what it needs."""
    if name not in EXECUTORS:
        raise SweepError(f"unknown executor {name!r} (choose from {', '.join(EXECUTORS)})")
    if name == "tune" and any(find_spec(needed) is None for needed in TUNE_NEEDS):
        raise MissingExtra("--executor tune needs Ray Tune: pip install 'edge-sweep[tune]'")


def worker_data(data: Data, threads: int = 1, via: str = "store", root: str | None = None) -> WorkerData:
    """What travels to every worker; ``via`` says how images travel (see ``image_transport``)."""
    return WorkerData(transport(Images(data.train, data.tests), via, root), loaded(), threads, str(Path.cwd()))


def make_executor(name: str, data: WorkerData, address: str, cpus: float, gpus: float, most: int = 0) -> Executor:
    """The executor of that name, after a check of its cluster. Raises SweepError when the cluster cannot run it."""
    if name == "inline":
        from sweep.executors.inline import InlineExecutor

        return InlineExecutor(data)
    check_name(name)
    from sweep.executors import cluster

    cluster.check(cluster.connect(address), cpus, gpus)
    if name == "actors":
        from sweep.executors.actors import ActorExecutor

        return ActorExecutor(data, cpus, gpus, most)
    from sweep.executors.tune import TuneExecutor

    return TuneExecutor(data, cpus, gpus)
